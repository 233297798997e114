"""Quotas: how many tasks, and how many bytes of text, an owner may have."""

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from service.app import Application
from service.resources.quotas import Quotas
from service.settings import Settings
from tests.conftest import User, client_of, started

Quota = Callable[..., None]


@pytest.fixture
def quota(app: Application) -> Quota:
    """Set the quotas, as a restart with other settings would."""

    # The quota's own name.
    def quota(tasks: int | None = None, bytes: int | None = None) -> None:  # noqa: A002
        app.services.quotas = Quotas(tasks, bytes)

    return quota


@pytest.fixture
async def limited(settings: Settings) -> AsyncIterator[User]:
    """Alice at a service whose settings allow three tasks with ten bytes of text in all."""
    async with (
        started(settings.model_copy(update={"quota_tasks": 3, "quota_bytes": 10})) as app,
        client_of(app) as client,
    ):
        yield User(client, "alice")


async def state(connection: asyncpg.Connection) -> list[str]:
    """All that is stored."""
    rows = []
    for table in ("tasks", "idempotency_keys", "owners"):
        rows += await connection.fetch(f"SELECT t::text FROM {table} AS t ORDER BY 1")
    return [row["t"] for row in rows]


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


WRITES: dict[str, Callable[[User, str], Any]] = {
    "post": lambda user, title: user.call("POST", json={"title": title}),
    "post with a key": lambda user, title: user.call("POST", json={"title": title}, headers=key()),
    "put": lambda user, title: user.call("PUT", f"/{uuid4()}", json={"title": title}),
}


@pytest.mark.parametrize("write", WRITES)
async def test_one_task_over_the_quota_is_409(
    limited: User, connection: asyncpg.Connection, write: str
) -> None:
    """A quota of tasks is used up to the last one; the next is 409 with what is allowed and there,
    and changes nothing.
    """
    for _ in range(3):
        assert (await WRITES[write](limited, "ab")).status_code == 201
    before = await state(connection)
    refused = await WRITES[write](limited, "ab")
    assert refused.status_code == 409
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert {name: refused.json()[name] for name in ("type", "quota", "usage")} == {
        "type": "/problems/quota-exceeded",
        "quota": {"tasks": 3, "bytes": 10},
        "usage": {"tasks": 3, "bytes": 6},
    }
    assert "Retry-After" not in refused.headers
    assert await state(connection) == before


@pytest.mark.parametrize("write", WRITES)
async def test_one_byte_over_the_quota_is_409(
    limited: User, connection: asyncpg.Connection, write: str
) -> None:
    """Bytes are those of the text in UTF-8, used up to the last one; an owner's very first task is
    held to it as well.
    """
    refused = await WRITES[write](limited, "\u00e9" * 5 + "x")
    assert (refused.status_code, refused.json()["usage"]) == (409, {"tasks": 0, "bytes": 0})
    assert await state(connection) == []
    assert (await WRITES[write](limited, "\u00e9" * 4)).status_code == 201
    refused = await WRITES[write](limited, "abc")
    assert (refused.status_code, refused.json()["usage"]) == (409, {"tasks": 1, "bytes": 8})
    assert (await WRITES[write](limited, "ab")).status_code == 201
    assert await connection.fetchval("SELECT bytes FROM owners") == 10


CHANGES: dict[str, Callable[[User, str, dict[str, Any]], Any]] = {
    "put": lambda user, path, body: user.call("PUT", path, json=body),
    "patch": lambda user, path, body: user.call("PATCH", path, json=body),
    "patch with a key": lambda user, path, body: user.call("PATCH", path, json=body, headers=key()),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_over_a_lowered_quota_only_growth_is_refused(
    alice: User, quota: Quota, connection: asyncpg.Connection, change: str
) -> None:
    """Over a quota that was lowered a task may become shorter, stay as long, be ticked off, deleted
    and erased, which makes room; not grow by a byte.
    """
    path = f"/{(await alice.create('1234567890', description='12345'))['id']}"
    await alice.create("another")
    quota(tasks=1, bytes=5)
    before = await state(connection)
    refused = await CHANGES[change](alice, path, {"title": "1234567890", "description": "123456"})
    assert (refused.status_code, refused.json()["usage"]) == (409, {"tasks": 2, "bytes": 22})
    assert await state(connection) == before
    for body in (
        {"title": "123456789012345", "description": None},
        {"title": "0123456789", "description": "01234", "completed": True},
        {"title": "0123456789", "description": "0123"},
        {"title": "012345678", "description": None},
    ):
        changed = await CHANGES[change](alice, path, body)
        assert changed.status_code == 200, body
        assert {name: changed.json()[name] for name in body} == body
    assert await connection.fetchval("SELECT bytes FROM owners") == 9 + len("another")
    assert (await alice.call("DELETE", path)).status_code == 204
    assert await connection.fetchval("SELECT bytes FROM owners") == 9 + len("another")
    assert (await alice.call("DELETE", f"{alice.home}/trash{path}")).status_code == 204
    assert await connection.fetchval("SELECT bytes FROM owners") == len("another")


async def test_a_task_may_grow_up_to_the_quota(alice: User, quota: Quota) -> None:
    """Under the quota a task may grow up to its last byte; a patch counts what it leaves alone as
    it is.
    """
    path = f"/{(await alice.create('1234', description='1234'))['id']}"
    quota(bytes=10)
    assert (await alice.call("PATCH", path, json={"title": "123456"})).status_code == 200
    assert (await alice.call("PATCH", path, json={"description": "12345"})).status_code == 409
    assert (
        await alice.call("PATCH", path, json={"title": "12345", "description": "12345"})
    ).status_code == 200
    assert (await alice.call("PUT", path, json={"title": "1" * 10})).status_code == 200
    assert (await alice.call("PUT", path, json={"title": "1" * 11})).status_code == 409


async def test_conditions_and_404_decide_before_the_quota(alice: User, quota: Quota) -> None:
    """A change that a condition forbids is 412, and one of no task 404, whether or not there would
    be room.
    """
    path = f"/{(await alice.create('1234'))['id']}"
    quota(tasks=1, bytes=4)
    longer, stale = {"title": "12345"}, {"If-Match": '"7"'}
    for method in ("PUT", "PATCH"):
        assert (await alice.call(method, path, json=longer, headers=stale)).status_code == 412
        assert (await alice.call(method, path, json=longer)).status_code == 409
    assert (
        await alice.call("PUT", path, json=longer, headers={"If-None-Match": "*"})
    ).status_code == 412
    assert (await alice.call("PUT", f"/{uuid4()}", json=longer, headers=stale)).status_code == 412
    assert (await alice.call("PATCH", f"/{uuid4()}", json=longer)).status_code == 404


async def test_a_repeat_gets_its_answer_when_the_quota_is_full(alice: User, quota: Quota) -> None:
    """A request that was carried out is answered the same when the quota is full by then."""
    made = await alice.call("POST", json={"title": "1234"}, headers={"Idempotency-Key": "one"})
    path = f"/{made.json()['id']}"
    grown = await alice.call(
        "PATCH", path, json={"title": "12345"}, headers={"Idempotency-Key": "two"}
    )
    quota(tasks=1, bytes=1)
    again = await alice.call("POST", json={"title": "1234"}, headers={"Idempotency-Key": "one"})
    assert (again.status_code, again.content, again.headers["Idempotency-Replayed"]) == (
        201,
        made.content,
        "true",
    )
    again = await alice.call(
        "PATCH", path, json={"title": "12345"}, headers={"Idempotency-Key": "two"}
    )
    assert (again.status_code, again.content) == (200, grown.content)
    assert (await alice.call("PUT", path, json={"title": "12345"})).status_code == 200


async def test_a_refusal_does_not_use_up_the_key(alice: User, quota: Quota) -> None:
    """A key whose request the quota refused may be sent again; once there is room it is carried
    out, once.
    """
    task = await alice.create("1234")
    quota(tasks=1, bytes=4)
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "", {"json": {"title": "12"}, "headers": key()}),
        ("PATCH", f"/{task['id']}", {"json": {"title": "12345"}, "headers": key()}),
    ]
    for method, path, request in requests * 2:
        assert (await alice.call(method, path, **request)).status_code == 409
    quota(tasks=2, bytes=7)
    for method, path, request in requests:
        first, second = [await alice.call(method, path, **request) for _ in range(2)]
        assert (first.content, second.headers["Idempotency-Replayed"]) == (second.content, "true")
        assert "Idempotency-Replayed" not in first.headers
    assert (await alice.tasks())["total"] == 2


async def test_each_owner_has_a_quota(alice: User, bob: User, quota: Quota) -> None:
    """One owner's tasks take no room of another's."""
    quota(tasks=1, bytes=4)
    for user in (alice, bob):
        await user.create("1234")
        refused = await user.call("POST", json={"title": "1"})
        assert refused.json()["usage"] == {"tasks": 1, "bytes": 4}


async def test_one_quota_without_the_other(alice: User, quota: Quota) -> None:
    """Each quota may be off; the answer shows null for it."""
    quota(tasks=1)
    await alice.create("x" * 255)
    assert (await alice.call("POST", json={"title": "1"})).json()["quota"] == {
        "tasks": 1,
        "bytes": None,
    }
    quota(bytes=256)
    await alice.create("y")
    assert (await alice.call("POST", json={"title": "1"})).json()["quota"] == {
        "tasks": None,
        "bytes": 256,
    }


async def test_counts_are_kept_while_quotas_are_off(
    alice: User, connection: asyncpg.Connection
) -> None:
    """While quotas are off the counts are kept all the same, so that they are true when one is
    set.
    """
    task = await alice.create("1234", description="\U0001f600")
    assert await connection.fetchval("SELECT bytes FROM owners") == 8
    await alice.call("PATCH", f"/{task['id']}", json={"description": None})
    assert await connection.fetchval("SELECT bytes FROM owners") == 4
