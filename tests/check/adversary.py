"""Statements put together from building blocks, many of which leak when they are run.

Each candidate is run by bob against a database with his rows and alice's, and again where she has
none. It leaks if he gets something else, if his rows become others, or if hers change. One that
leaks and that the check has nothing against is a hole in the proof.

    python -m pytest -s tests/check/test_adversary.py

runs a bounded number; ADVERSARY_CANDIDATES and ADVERSARY_SEED make it longer, and another one.
"""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import asyncpg

from service.check import check
from service.db.statement import Statement
from service.db.statements import read, shipped

ABOUT_THE_HEADER = frozenset(
    {"columns", "index", "nullable", "parameter", "returns", "rows", "star"}
)
"""Rules that say the header is wrong: a candidate's always is, and that is no proof of anything."""

ALICE, BOB = "00000000-0000-7000-8000-00000000000a", "00000000-0000-7000-8000-00000000000b"
ROWS = f"""
    INSERT INTO tasks (owner_id, id, title, version, sequence)
    VALUES ('alice', '{ALICE}', 'secret', 7, 8), ('alice', '{BOB}', 'same id', 9, 9),
           ('bob', '{BOB}', 'mine', 3, 3);
    INSERT INTO notes (owner_id, id, task_id, body)
    VALUES ('alice', '{ALICE}', '{ALICE}', 'secret note'), ('bob', '{BOB}', '{BOB}', 'my note');
    INSERT INTO ledgers (owner_id, sequence, open, note)
    VALUES ('alice', 2, 2, 'secret sum'), ('bob', 1, 1, 'my sum')
"""
TABLES = ("notes", "tasks", "ledgers")
ROWS_OF = "SELECT to_jsonb(x)::text FROM {0} AS x WHERE x.owner_id = $1 ORDER BY 1"

DDL = (
    "",
    "CREATE INDEX odd ON tasks (owner_id, id) WHERE version <> round(1.5)",
    "CREATE INDEX odd ON tasks (title, owner_id)",
    "CREATE UNIQUE INDEX odd ON tasks (title)",
    "CREATE STATISTICS odd ON (version + round(1.5)), title FROM tasks",
    "CREATE VIEW seen AS SELECT * FROM tasks",
    "CREATE FUNCTION peek() RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT max(title) FROM tasks'",
    (
        "CREATE FUNCTION peek() RETURNS text STABLE LANGUAGE plpgsql AS"
        " 'BEGIN RETURN (SELECT max(title) FROM tasks); END'"
    ),
    (
        "CREATE FUNCTION round(text) RETURNS text STABLE LANGUAGE sql AS"
        " 'SELECT string_agg(title, $1) FROM tasks'"
    ),
    (
        "CREATE FUNCTION said(int) RETURNS boolean LANGUAGE sql AS"
        " 'SELECT count(*) <> $1 FROM tasks'; CREATE DOMAIN odd AS int CHECK (said(VALUE))"
    ),
    (
        "CREATE FUNCTION seen_by(text, text) RETURNS boolean STABLE LANGUAGE sql AS"
        " 'SELECT EXISTS (SELECT FROM tasks WHERE owner_id <> $1)';"
        " CREATE OPERATOR === (FUNCTION = seen_by, LEFTARG = text, RIGHTARG = text)"
    ),
    (
        "CREATE FUNCTION seen_as(boolean) RETURNS uuid STABLE LANGUAGE sql AS"
        " 'SELECT max(id::text)::uuid FROM tasks'; CREATE CAST (boolean AS uuid) WITH FUNCTION seen_as"
    ),
    (
        "CREATE FUNCTION spread() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note :="
        " (SELECT max(title) FROM tasks); RETURN NEW; END'; CREATE TRIGGER watch BEFORE INSERT OR UPDATE"
        " ON ledgers FOR EACH ROW EXECUTE FUNCTION spread()"
    ),
    "CREATE RULE also AS ON UPDATE TO ledgers DO ALSO UPDATE tasks SET title = 'taken'",
    (
        "ALTER TABLE ledgers ADD CHECK (query_to_xml('SELECT 1 / (4 - count(*)) FROM tasks', true, true,"
        " note) IS NOT NULL) NOT VALID"
    ),
    "CREATE SEQUENCE counter; ALTER TABLE ledgers ALTER open SET DEFAULT nextval('counter')",
    (
        "CREATE FUNCTION most() RETURNS text LANGUAGE sql AS 'SELECT max(title) FROM tasks';"
        " ALTER TABLE ledgers ALTER note SET DEFAULT most()"
    ),
    (
        "ALTER TABLE ledgers ADD who text DEFAULT 'bob'; ALTER TABLE ledgers DROP COLUMN owner_id;"
        " ALTER TABLE ledgers ADD owner_id text NOT NULL GENERATED ALWAYS AS (who) STORED"
    ),
    (
        "ALTER TABLE notes DROP CONSTRAINT notes_owner_id_task_id_fkey; ALTER TABLE tasks ADD"
        " CONSTRAINT ids UNIQUE (id, owner_id); ALTER TABLE notes ADD FOREIGN KEY (task_id, owner_id)"
        " REFERENCES tasks (id, owner_id) ON DELETE CASCADE"
    ),
    "ALTER TABLE tasks ENABLE ROW LEVEL SECURITY; CREATE POLICY all_of_them ON tasks USING (true)",
    "CREATE TABLE heir () INHERITS (ledgers)",
    "ALTER EXTENSION plpgsql ADD TABLE ledgers",
    (
        "CREATE SCHEMA before; CREATE FUNCTION before.lower(text) RETURNS text STABLE LANGUAGE sql AS"
        " 'SELECT max(title) FROM public.tasks'; SET LOCAL search_path = before, public, pg_catalog"
    ),
)
"""What may stand around the tables."""

BINDS = (
    "{0}.owner_id = :owner_id",
    "{0}.owner_id = :owner_id",
    "{0}.owner_id = :owner_id",
    ":owner_id = {0}.owner_id AND {0}.id = :id",
    "{0}.id = :id",
    "{0}.owner_id >= :owner_id OR {0}.id = :id",
    "({0}.owner_id = :owner_id OR {1})",
    "{0}.owner_id IN (:owner_id, 'alice')",
    "{0}.owner_id = :owner_id AND {1}",
    "{0}.owner_id = :owner_id AND {1}",
    "{0}.owner_id = :owner_id AND {1}",
    "{0}.owner_id = :owner_id AND {1}",
    "{0}.owner_id LIKE '%' || left(:owner_id, 0) || '%'",
    "coalesce({0}.owner_id = :owner_id, true) OR {1}",
    "{1}",
    "{0}.owner_id = lower(:owner_id)",
    "{0}.owner_id = (SELECT max(b.owner_id) FROM ledgers AS b WHERE b.owner_id <= :owner_id)",
)
"""What ties {0} to its owner, or seems to; {1} is a condition."""

CONDITIONS = (
    "round(1.5) = 2",
    "lpad('x', 3) <> ''",
    "interval '1 day' + date '2100-01-01' > now()",
    "date_part('year', date '2100-01-01') > 2000",
    "'{{3}}'::odd[] IS NOT NULL",
    "'{{3}}'::int[] IS NOT NULL",
    "(SELECT count(*) FROM notes AS n) > 1",
    "EXISTS (SELECT FROM tasks AS o WHERE o.owner_id <> :owner_id)",
    "EXISTS (SELECT FROM tasks AS o WHERE o.owner_id = :owner_id)",
    "(SELECT max(o.version) FROM tasks AS o WHERE o.owner_id = :owner_id) > 5",
    "query_to_xml('SELECT count(*) FROM tasks', true, true, '')::text LIKE '%3%'",
    "table_to_xml('tasks', true, true, '')::text LIKE '%alice%'",
    "(SELECT max(s.version) FROM seen AS s) > 5",
    "peek() > 'n'",
    "round('-'::text) LIKE '%secret%'",
    "'x'::text === :owner_id",
    "(:owner_id = 'bob')::uuid IS NOT NULL",
    "lower(:owner_id) = 'bob'",
    ":owner_id::text <> ''",
    "pg_try_advisory_xact_lock(42)",
    "format('%s', 'tasks'::regclass) <> ''",
    "(SELECT count(*) FROM tasks AS o WHERE o.xmin::text::bigint > 0) > 2",
    "(SELECT max(o.ctid) FROM tasks AS o) > '(0,1)'",
    "(SELECT bool_or(o.tableoid > 0) FROM notes AS o WHERE o.body LIKE 'secret%')",
    "(SELECT count(*) FROM ledgers AS b FULL JOIN tasks AS o ON o.owner_id = b.owner_id) > 3",
    (
        "(WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT r.n + 1 FROM r, tasks AS o WHERE r.n < 3)"
        " SELECT count(*) FROM r) > 3"
    ),
    (
        "(SELECT count(*) FROM (SELECT o.id, o.owner_id FROM tasks AS o ORDER BY o.id LIMIT 1) AS o"
        " WHERE o.owner_id = :owner_id) = 1"
    ),
    (
        "(SELECT min(s.place) FROM (SELECT o.owner_id, rank() OVER (ORDER BY o.version) AS place FROM"
        " tasks AS o) AS s WHERE s.owner_id = :owner_id) > 0"
    ),
)
WRAPPERS = (
    "{0}",
    "{0}",
    "({0})::text::boolean",
    "coalesce({0}, false)",
    "NOT (NOT ({0}))",
    "CASE WHEN {0} THEN true ELSE false END",
    "(SELECT {0})",
    "to_jsonb({0}) = 'true'",
    "concat({0}) = 't'",
    "({0}) IS TRUE",
    "greatest({0}, false)",
    "nullif({0}, false)",
    "(array_agg({0}) FILTER (WHERE true))[1]",
)
VALUES = (
    "t.title",
    "to_jsonb(t)::text",
    "t.xmin::text",
    "t.ctid::text",
    "t::text",
    "round(t.version, 1)::text",
    "peek()",
    "round('-'::text)",
    "(SELECT string_agg(o.title, '-' ORDER BY o.title) FROM tasks AS o)",
    "(SELECT string_agg(o.title, '-' ORDER BY o.title) FROM tasks AS o WHERE o.owner_id = :owner_id)",
    "(SELECT max(n.body) FROM notes AS n WHERE n.task_id = t.id)",
    "(SELECT max(n.body) FROM notes AS n WHERE n.owner_id = t.owner_id)",
    "({1})::text",
    "count(*) OVER ()",
    '(jsonb_populate_record(t, \'{{"owner_id": "alice"}}\')).owner_id',
)
FRAMES = (
    "SELECT t.id, {value} AS x FROM tasks AS t WHERE {bind}",
    "SELECT t.id, n.body AS x FROM tasks AS t JOIN notes AS n ON n.task_id = t.id WHERE {bind}",
    (
        "SELECT t.id, n.body AS x FROM tasks AS t LEFT JOIN notes AS n ON n.owner_id = t.owner_id"
        " WHERE {bind}"
    ),
    "SELECT t.id, {value} AS x FROM (SELECT t.* FROM tasks AS t OFFSET 0) AS t WHERE {bind}",
    (
        "SELECT t.id, {value} AS x FROM (SELECT DISTINCT ON (t.owner_id) t.* FROM tasks AS t ORDER BY"
        " t.owner_id, t.id) AS t WHERE {bind}"
    ),
    (
        "WITH t AS MATERIALIZED (SELECT t.* FROM tasks AS t WHERE {bind}) SELECT t.id, {value} AS x"
        " FROM t WHERE :owner_id::text <> ''"
    ),
    (
        "WITH t AS (SELECT t.id, t.owner_id, t.title, t.version, t.completed FROM tasks AS t)"
        " SELECT t.id, t.title AS x FROM t WHERE {bind}"
    ),
    (
        "SELECT t.id, {value} AS x FROM tasks AS t WHERE {bind} UNION ALL SELECT n.id, n.body FROM notes"
        " AS n WHERE n.id = :id"
    ),
    (
        "SELECT s.id, s.x FROM ledgers AS b, LATERAL (SELECT t.id, {value} AS x FROM tasks AS t WHERE"
        " {bind}) AS s WHERE b.owner_id = :owner_id"
    ),
    "UPDATE tasks AS t SET title = left({value}, 99) WHERE {bind}",
    "UPDATE tasks AS t SET title = 'x' WHERE {bind} RETURNING t.id, t.title AS x",
    "UPDATE tasks AS t SET owner_id = 'bob' WHERE {bind}",
    "UPDATE ledgers AS t SET note = 'x', open = 9 WHERE t.owner_id = :owner_id",
    "UPDATE ledgers AS t SET who = 'alice' || left(:owner_id, 0) WHERE t.owner_id = :owner_id",
    "UPDATE notes AS n SET body = t.title FROM tasks AS t WHERE n.owner_id = :owner_id AND {bind}",
    "DELETE FROM tasks AS t WHERE {bind}",
    "DELETE FROM notes AS n USING tasks AS t WHERE n.task_id = t.id AND {bind}",
    "WITH gone AS (DELETE FROM notes AS t WHERE {bind} RETURNING t.id) SELECT gone.id FROM gone",
    (
        "INSERT INTO ledgers AS b (owner_id, note) VALUES (:owner_id, 'x') ON CONFLICT (owner_id) DO"
        " UPDATE SET note = EXCLUDED.note RETURNING b.note AS x"
    ),
    "INSERT INTO ledgers AS b (owner_id) VALUES (:owner_id || 'by') RETURNING b.note AS x",
    (
        "INSERT INTO tasks AS b (owner_id, id, title, sequence) SELECT t.owner_id, md5(t.id::text)::uuid,"
        " 'x', 77 FROM tasks AS t WHERE {bind}"
    ),
    (
        "INSERT INTO tasks (owner_id, id, title, sequence) VALUES (:owner_id, :id, 'secret', 99)"
        " ON CONFLICT DO NOTHING"
    ),
    (
        "INSERT INTO tasks (owner_id, id, title, sequence) VALUES (:owner_id, :id, 'secret', 99)"
        " ON CONFLICT (title) DO UPDATE SET version = 50"
    ),
)


BELONGS = {
    "peek()": "FUNCTION peek",
    "seen AS": "VIEW seen",
    "odd[]": "DOMAIN odd",
    "round('-'": "FUNCTION round",
    "===": "OPERATOR ===",
    "'bob')::uuid": "CREATE CAST",
    "lower(": "before.lower",
    "SET who": "who",
    "INTO ledgers": "ledgers",
    "UPDATE ledgers": "ledgers",
    "ON CONFLICT (title)": "INDEX odd",
    "DELETE FROM tasks": "CASCADE",
}
"""What is found in a statement, and in the DDL without which it does nothing."""


class Candidate(NamedTuple):
    """A statement, and what is done to the database before."""

    ddl: str
    statement: Statement


class Tried(NamedTuple):
    """What came of candidates: those that leaked, and of them those that were accepted."""

    tried: int
    leaking: list[Candidate]
    accepted: list[Candidate]


def candidates(count: int, seed: int) -> Iterator[Candidate]:
    """So many candidates; the same ones for the same seed."""
    chance = random.Random(seed)
    for number in range(count):
        condition = chance.choice(WRAPPERS).format(chance.choice(CONDITIONS).format())
        sql = chance.choice(FRAMES).format(
            bind=chance.choice(BINDS).format("t", condition),
            value=chance.choice(VALUES).format("t", condition),
        )
        around = [
            ddl for word, part in BELONGS.items() if word in sql for ddl in DDL if part in ddl
        ]
        ddl = chance.choice(around or DDL) if around or chance.random() < 1 / 4 else ""
        name = f"made/up_{number}"
        params = [field for field in ("owner_id text", "id uuid") if f":{field.split()[0]}" in sql]
        if "owner_id text" not in params:
            continue
        source = (
            f"-- {name}: for a test.\n-- params:  {', '.join(params)}\n-- returns: count\n{sql}\n"
        )
        yield Candidate(ddl, read(name, source.encode(), f"sql/{name}.sql"))


async def run(connection: asyncpg.Connection, made: Sequence[Candidate]) -> Tried:
    """Run and check all of them, in a transaction that is rolled back by the caller."""
    await connection.execute(ROWS)
    tried, leaking, accepted = 0, list[Candidate](), list[Candidate]()
    for ddl in sorted({candidate.ddl for candidate in made}):
        group = [candidate for candidate in made if candidate.ddl == ddl]
        around = connection.transaction()
        await around.start()
        if ddl:
            await connection.execute(ddl)
        leaks = [candidate for candidate in group if await _leaks(connection, candidate.statement)]
        tried, leaking = tried + len(group), leaking + leaks
        statements = {candidate.statement.name: candidate.statement for candidate in leaks}
        report = await check(connection, statements, checks=shipped())
        schema = {fault.rule for fault in report.schema}
        for candidate, checked in zip(leaks, report.statements, strict=True):
            rules = schema | {fault.rule for fault in checked.faults}
            if not rules - ABOUT_THE_HEADER:
                accepted.append(candidate)
        await around.rollback()
    return Tried(tried, leaking, accepted)


async def _leaks(connection: asyncpg.Connection, statement: Statement) -> bool:
    """Whether bob's outcome depends on alice's rows, or hers become others."""
    before = await _rows_of(connection, "alice")
    together, hers = await _outcome(connection, statement, alone=False)
    if hers != before:
        return True
    return together != (await _outcome(connection, statement, alone=True))[0]


async def _outcome(
    connection: asyncpg.Connection, statement: Statement, *, alone: bool
) -> tuple[object, list[str]]:
    """The result that Bob gets, and his and Alice's rows afterwards."""
    attempt = connection.transaction()
    await attempt.start()
    try:
        if alone:
            for table in TABLES:
                await connection.execute(f"DELETE FROM {table} WHERE owner_id = 'alice'")
        arguments = ["bob", ALICE][: len(statement.parameters)]
        try:
            async with connection.transaction():
                answer = sorted(map(repr, await connection.fetch(statement.text, *arguments)))
        except asyncpg.PostgresError as error:
            answer = [error.sqlstate or ""]
        return (answer, await _rows_of(connection, "bob")), await _rows_of(connection, "alice")
    finally:
        await attempt.rollback()


async def _rows_of(connection: asyncpg.Connection, owner: str) -> list[str]:
    rows: list[str] = []
    for table in TABLES:
        rows += [row[0] for row in await connection.fetch(ROWS_OF.format(table), owner)]
    return rows
