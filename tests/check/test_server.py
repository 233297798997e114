"""Parse and plan statements: the statement's faults, and the server's."""

from uuid import uuid4

import asyncpg
import pytest

from service.check import CheckError, check
from service.check.proof import is_owner_parameter
from service.check.server import Server
from service.check.trees import walk
from service.db.statement import Statement
from service.db.statements import read, shipped
from tests.check.playground import made
from tests.conftest import administer

CHECKS = shipped()
GET, _ = made(
    "SELECT t.id FROM tasks AS t WHERE t.owner_id = :owner_id AND t.id = :id",
    "maybe (id uuid)",
    more="-- index: tasks_pkey\n",
)


def without_trees() -> dict[str, Statement]:
    """The check's statements, with settings that leave the trees out, as something between
    might.
    """
    source = CHECKS["check/settings"].source.replace(
        "('client_min_messages', 'log')", "('client_min_messages', 'error')"
    )
    return {
        **CHECKS,
        "check/settings": read("check/settings", source.encode(), "sql/check/settings.sql"),
    }


async def test_without_the_servers_trees_the_check_fails(session: asyncpg.Connection) -> None:
    """Where the server's messages do not arrive nothing is proven: the check says so instead of
    passing.
    """
    with pytest.raises(CheckError, match="the server did not show its rewritten parse tree"):
        await check(session, {"made/up": GET}, checks=without_trees())


async def test_a_server_error_is_no_fault_of_the_statement(playground: str) -> None:
    """A server that gives up is not a statement that is wrong."""
    connection = await asyncpg.connect(playground)
    async with connection.transaction():
        await connection.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        asking = await asyncpg.connect(playground, server_settings={"statement_timeout": "100"})
        with pytest.raises(asyncpg.QueryCanceledError):
            await Server(asking, CHECKS).analyse(GET)
        await asking.close()
    await connection.close()


class Twice(Server):
    """A server that shows each tree twice."""

    def _keep(self, connection: object, message: asyncpg.PostgresLogMessage) -> None:
        super()._keep(connection, message)
        super()._keep(connection, message)


async def test_with_two_candidate_trees_the_check_fails(session: asyncpg.Connection) -> None:
    """Where more than one tree could be the statement's own nothing is proven."""
    with pytest.raises(CheckError, match="the server showed 2 trees as its rewritten parse tree"):
        await Twice(session, CHECKS).analyse(GET)
    with pytest.raises(CheckError, match="the server showed 2 trees as its plan"):
        await Twice(session, CHECKS).plan(GET)


@pytest.mark.parametrize(
    "setting",
    [
        "enable_indexscan = off",
        "enable_indexonlyscan = off",
        "enable_nestloop = off",
        "random_page_cost = 1e12",
        "cpu_operator_cost = 1e12",
        "idle_in_transaction_session_timeout = '1ms'",
        "debug_print_plan = on",
        "debug_print_rewritten = on",
        "debug_pretty_print = on",
        "client_min_messages = error",
        "plan_cache_mode = force_custom_plan",
    ],
)
async def test_a_roles_own_settings_do_not_fail_the_check(setting: str, playground: str) -> None:
    """Settings that a role has for itself do not make the check fail."""
    role = f"checker_{uuid4().hex}"
    administer(playground, f"CREATE ROLE {role} LOGIN", f"ALTER ROLE {role} SET {setting}")
    connection = await asyncpg.connect(playground, user=role)
    statements = {name: CHECKS[name] for name in ("tasks/get", "tasks/list")}
    assert (await check(connection, statements, checks=CHECKS)).faults == ()
    await connection.close()
    administer(playground, f"DROP ROLE {role}")


async def test_no_checked_statement_is_run(session: asyncpg.Connection) -> None:
    """Checking runs nothing: not a statement that would fail, nor one that would change rows."""
    insert, _ = made(
        "INSERT INTO ledgers AS o (owner_id, open) VALUES (:owner_id, 1 / 0)",
        "count",
        "owner_id text",
    )
    await session.execute("INSERT INTO ledgers (owner_id) VALUES ('alice')")
    delete, _ = made(
        "DELETE FROM ledgers AS o WHERE o.owner_id = :owner_id",
        "count",
        "owner_id text",
        more="-- index: ledgers_pkey\n",
    )
    assert (await check(session, {"made/up": delete}, checks=CHECKS)).faults == ()
    assert [
        fault.rule for fault in (await check(session, {"made/up": insert}, checks=CHECKS)).faults
    ] == ["sql"]
    assert await session.fetchval("SELECT count(*) FROM ledgers") == 1


async def test_the_plan_keeps_its_parameters(session: asyncpg.Connection) -> None:
    """The plan has $1, not the NULL passed for it, so it is valid for every argument."""
    plan = await Server(session, CHECKS).plan(GET)

    assert any(is_owner_parameter(node) for node in walk(plan))
