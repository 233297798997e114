"""The databases of the bench: owners 0 to 999 with 200 tasks each, the same rows for everybody.

Task n belongs to owner n % 1000, so that an owner's tasks lie scattered among the others', as they
do where many write. Ids of owners and tasks are made of their numbers, which pgbench can do, too.
"""

import asyncio
from pathlib import Path

import asyncpg

from service.migrate.migrations import migrate
from tests.conftest import with_database

OWNERS, TASKS_EACH = 1000, 200
TASKS = OWNERS * TASKS_EACH
QUIET = 200
"""How many owners, the last ones, no load writes to: their tasks stay as they were read."""
FIRST_OWNER = 100_000_000_000_000_000

# $1: the first number, $2: how many, $3: how many owners. Times have microseconds, as those of a
# clock have.
ROWS = """
    SELECT (100000000000000000 + n % $3::int)::text AS owner_id, lpad(n::text, 32, '0')::uuid AS id,
           'Task ' || n || ': buy milk and bread' AS title,
           CASE WHEN n % 2 = 0 THEN 'Two litres, the one with the blue cap; and rye, if there is any left' END AS description,
           n / $3::int % 3 = 0 AS completed, timestamptz '2026-01-01Z' + n * interval '1.000123 seconds' AS created_at, n
      FROM generate_series($1::int, $1::int + $2::int - 1) AS n
"""
PEER = f"""
    INSERT INTO tasks (owner_id, id, title, description, completed, created_at, updated_at)
    SELECT owner_id, id, title, description, completed, created_at, created_at FROM ({ROWS}) AS r
"""
# The books that the service's own statements keep are written along: numbers go on where the
# owner's sequence stands.
SERVICE = f"""
    WITH r AS (
        SELECT r.*, row_number() OVER (PARTITION BY owner_id ORDER BY n) AS place FROM ({ROWS}) AS r
    ), o AS (
        INSERT INTO owners AS o (owner_id, sequence, horizon, open, completed, bytes)
        SELECT owner_id, count(*), 0, count(*) FILTER (WHERE NOT completed), count(*) FILTER (WHERE completed),
               sum(octet_length(title) + coalesce(octet_length(description), 0))
          FROM r
         GROUP BY owner_id
        ON CONFLICT (owner_id) DO UPDATE
           SET sequence = o.sequence + EXCLUDED.sequence,
               open = o.open + EXCLUDED.open,
               completed = o.completed + EXCLUDED.completed,
               bytes = o.bytes + EXCLUDED.bytes
        RETURNING o.owner_id, o.sequence
    )
    INSERT INTO tasks (owner_id, id, title, description, completed, completed_at, size, created_at, updated_at,
                       sequence)
    SELECT r.owner_id, r.id, r.title, r.description, r.completed, CASE WHEN r.completed THEN r.created_at END,
           octet_length(r.title) + coalesce(octet_length(r.description), 0), r.created_at, r.created_at,
           o.sequence - max(r.place) OVER (PARTITION BY r.owner_id) + r.place
      FROM r JOIN o USING (owner_id)
     ORDER BY r.n
"""

# What else owners leave behind: a deleted task and a kept answer for one task in so many.
REST = """
    INSERT INTO idempotency_keys (owner_id, key, fingerprint, status, headers, body)
    SELECT owner_id, id::text, decode(repeat('00', 32), 'hex'), 201, '[]', '{{}}' FROM tasks WHERE sequence % {every} = 0;
    INSERT INTO tasks (owner_id, id, title, created_at, sequence, deleted_at)
    SELECT t.owner_id, gen_random_uuid(), t.title, t.created_at, o.sequence + t.sequence, now()
      FROM tasks AS t JOIN owners AS o USING (owner_id)
     WHERE t.sequence % {every} = 0;
    UPDATE owners AS o
       SET sequence = 2 * sequence,
           trash = (SELECT count(*) FROM tasks AS t WHERE t.owner_id = o.owner_id AND t.deleted_at IS NOT NULL)
"""


def owner_id(number: int) -> str:
    """Return an owner's id."""
    return str(FIRST_OWNER + number)


def task_id(number: int) -> str:
    """Return a task's id; its owner is `number % OWNERS`."""
    digits = f"{number:032}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


async def create(dsn: str, database: str) -> None:
    """Create a contestant's database, with its schema and rows."""
    own = with_database(dsn, database)
    await _run(dsn, f"CREATE DATABASE {database}")
    if database == "service":
        await migrate(own)
    else:
        schema = Path(__file__).parent / "peer" / "schema.sql"
        await _run(own, await asyncio.to_thread(schema.read_text))
    await add(own, rows_of(database), 0, TASKS)
    await _run(own, "VACUUM ANALYZE")


def rows_of(database: str) -> str:
    """Return the statement that fills a contestant's database."""
    return SERVICE if database == "service" else PEER


async def add(dsn: str, statement: str, first: int, count: int, owners: int = OWNERS) -> None:
    """More tasks, numbered from `first` on, in turn for the first `owners` owners. The statement is
    SERVICE or PEER.
    """
    connection = await asyncpg.connect(dsn)
    await connection.execute("SET statement_timeout = 0")
    await connection.execute(statement, first, count, owners)
    await connection.close()


async def copy(dsn: str, database: str, name: str) -> None:
    """Copy the database under another name."""
    await _run(dsn, f"CREATE DATABASE {name} TEMPLATE {database}")


async def _run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()
