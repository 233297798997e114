"""Check every statement against the migrated database, without running any.

server         lets PostgreSQL parse and plan, and collects its trees
trees          parses them; `scope` resolves columns through sub-selects and CTEs
catalogue      reads the tables, types and functions; `tables` has the rules for tables
objects        allows nothing that could read rows out of sight
proof          each owned table is read by owner_id = $1 alone: the argument
modifications  new rows are the owner's, no row changes its owner
shard          the statement runs on its owner's shard alone
signature      the header is true; `rows` and `nulls` infer the number of rows and which can be NULL
models         the columns fit the TypedDicts that handlers build
grants         the least privileges
report         as text, as JSON, and as the index of the folder
"""

from collections.abc import Mapping

from ..db.requirements import quoted, unmet
from ..db.statement import Statement
from . import catalogue, models, modifications, objects, proof, shard, signature, tables
from .catalogue import Catalogue
from .findings import CheckError, Fault
from .grants import NOT_FOR_THE_SERVICE, grants, used
from .positions import where
from .report import Checked, Report
from .server import Analysis, Connection, Refused, Server
from .trees import Node, TreeError

__all__ = ["CheckError", "Fault", "Report", "check"]


async def check(
    connection: Connection,
    statements: Mapping[str, Statement],
    *,
    checks: Mapping[str, Statement] | None = None,
    answers: Mapping[str, type] = {},
    role: str = "",
) -> Report:
    """Check the statements against the connection's database, and return the report.

    `checks` are the check's own statements (`check/…` and `schema/server`), if `statements` lacks
    them. `answers` are the TypedDicts that handlers build from rows, by statement. With a `role`
    the report has the grants that it needs. Raises CheckError for an unfit server or one that
    shows no trees, and the driver's errors.
    """
    server = Server(connection, checks or statements)
    [about] = await server.rows("check/server")
    [facts] = await server.rows("schema/server")
    if (missing := unmet(dict(facts))) is not None:
        raise CheckError(missing.sentence)
    schema = await catalogue.read(server)
    checked, queries = [], []
    for statement in statements.values():
        try:
            one, query = await _check(server, statement, schema, answers.get(statement.name))
        except TreeError as error:
            fault = Fault(
                statement.name,
                where(statement),
                "opaque",
                f"its tree cannot be read ({error}): say it in plainer SQL",
            )
            one, query = Checked(statement, {}, (), (fault,)), None
        checked.append(one)
        if query is not None and statement.name.partition("/")[0] not in NOT_FOR_THE_SERVICE:
            queries.append(query)
    names = {name for one in checked for name in one.tables}
    used_tables = [table for table in schema.tables.values() if table.name in names]
    place = " (a replica)" if about["replica"] else ""
    return Report(
        f"PostgreSQL {about['version']}{place} as {about['role']}",
        tuple(checked),
        tables.faults(schema, used_tables),
        tuple(grants(role, queries, schema)) if role else (),
    )


async def _check(
    server: Server, statement: Statement, schema: Catalogue, answer: type | None
) -> tuple[Checked, Node | None]:
    try:
        analysis = await server.analyse(statement)
    except Refused as error:
        if error.unseen and (table := schema.hidden(statement)):
            place = quoted(table.schema)
            raise CheckError(
                f"{statement.name}: without USAGE on the schema {place} the server does not show"
                f" {table.name}: GRANT USAGE ON SCHEMA {place} TO the role that checks"
            ) from None
        place = statement.locate(error.position) if error.position else where(statement)
        fault = Fault(statement.name, place, "sql", f"the server refuses it: {error}")
        return Checked(statement, {}, (), (fault,)), None
    if opaque := tuple(objects.faults(statement, analysis, schema)):
        return Checked(statement, {}, (), opaque), None  # planning could already run what is opaque
    faults = [*signature.faults(statement, analysis, schema), *models.faults(statement, answer)]
    indexes: tuple[str, ...] = ()
    if statement.header.global_because is None:
        more, indexes = await _prove(server, statement, analysis, schema)
        faults += more
    return Checked(statement, used(analysis.query, schema), indexes, tuple(faults)), analysis.query


async def _prove(
    server: Server, statement: Statement, analysis: Analysis, schema: Catalogue
) -> tuple[list[Fault], tuple[str, ...]]:
    try:
        plan = await server.plan(statement)
    except Refused as error:
        return [
            Fault(
                statement.name, where(statement), "sql", f"the server refuses to plan it: {error}"
            )
        ], ()
    found = proof.indexes(plan, schema)
    faults = [
        *proof.faults(statement, plan, schema),
        *modifications.faults(statement, analysis.query, plan, schema),
        *shard.faults(statement, analysis.query, schema),
    ]
    if not faults:  # which index is used says little of a statement that is to be rewritten
        faults += signature.index_faults(statement, found)
    return faults, tuple(index.name for _, index in found)
