"""Migrations are applied whole and once, also beside other runs and after a run that was killed."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from service.db import MIGRATIONS
from service.migrate import migrations
from service.migrate.direct import LOCK_TIMEOUT
from service.migrate.migrations import migrate, rollback, status
from service.migrate.schema import BEFORE_1_0, OUTDATED, MigrationError, files, pending
from service.settings import Settings

IDS = list(files())
PROGRAM = """
import asyncio, pathlib, sys
from service.migrate.migrations import migrate
asyncio.run(migrate(sys.argv[1], pathlib.Path(sys.argv[2])))
"""

CATALOGUE = """
    WITH ours AS (
        SELECT c.* FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE '%yoyo%'
    )
    SELECT concat_ws(' | ', 'relation', relname, relkind, relpersistence, reloptions, relacl, relrowsecurity,
                     obj_description(oid, 'pg_class')) FROM ours
    UNION ALL
    SELECT concat_ws(' | ', 'column', o.relname, rank() OVER (PARTITION BY o.oid ORDER BY a.attnum), a.attname,
                     format_type(a.atttypid, a.atttypmod), a.attnotnull,
                     a.attcollation, pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated, a.attacl,
                     col_description(o.oid, a.attnum))
      FROM ours AS o JOIN pg_attribute AS a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef AS d ON d.adrelid = o.oid AND d.adnum = a.attnum
    UNION ALL
    SELECT concat_ws(' | ', 'constraint', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid), c.convalidated,
                     obj_description(c.oid, 'pg_constraint'))
      FROM pg_constraint AS c JOIN ours AS o ON o.oid = c.conrelid
    UNION ALL
    SELECT concat_ws(' | ', 'index', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready)
      FROM pg_index AS i JOIN ours AS o ON o.oid = i.indrelid
    UNION ALL
    SELECT concat_ws(' | ', 'trigger', pg_get_triggerdef(t.oid))
      FROM pg_trigger AS t JOIN ours AS o ON o.oid = t.tgrelid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT concat_ws(' | ', 'function', pg_get_functiondef(p.oid), p.proacl)
      FROM pg_proc AS p WHERE p.pronamespace = 'public'::regnamespace AND p.prokind <> 'a'
    UNION ALL
    SELECT concat_ws(' | ', 'type', t.typname, t.typtype)
      FROM pg_type AS t WHERE t.typnamespace = 'public'::regnamespace AND t.typname NOT LIKE '%yoyo%'
    ORDER BY 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the migrations, to add to and to spoil."""
    return shutil.copytree(MIGRATIONS, tmp_path / "migrations")


@pytest.fixture
def server(empty_database: str) -> Iterator[psycopg.Connection]:
    """A session of the test's own in the database that is migrated."""
    with contextlib.closing(psycopg.connect(empty_database, autocommit=True)) as connection:
        yield connection


def add(folder: Path, id: str, up: str, down: str | None = None) -> None:
    (folder / f"{id}.sql").write_text(up)
    if down is not None:
        (folder / f"{id}.rollback.sql").write_text(down)


def exists(server: psycopg.Connection, name: str) -> bool:
    row = server.execute("SELECT to_regclass(%s) IS NOT NULL", [name]).fetchone()
    return row is not None and bool(row[0])


def catalogue(server: psycopg.Connection) -> list[str]:
    return [row[0] for row in server.execute(CATALOGUE)]


def waits_for(server: psycopg.Connection, table: str) -> bool:
    """Whether some session waits for a lock on the table."""
    query = (
        "SELECT 1 FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database"
        " WHERE d.datname = current_database() AND NOT l.granted AND l.relation = to_regclass(%s)"
    )
    return server.execute(query, [table]).fetchone() is not None


async def until(true: Callable[[], bool], within: float = 10) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.02)


@contextlib.contextmanager
def locked(dsn: str, table: str) -> Iterator[None]:
    """Another session that has locked the table."""
    with psycopg.connect(dsn) as other:
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


async def migrate_killed(dsn: str, folder: Path, when: Callable[[], bool]) -> None:
    """A `migrate` in a process of its own, killed with SIGKILL when the condition holds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, dsn, str(folder), cwd=MIGRATIONS.parent
    )
    try:
        await until(when)
        assert process.returncode is None
    finally:
        process.kill()
        await process.wait()


async def test_migrate_applies_everything_in_order_and_once(empty_database: str) -> None:
    """A first run applies every file in the order of their numbers; a second one finds nothing to
    do.
    """
    assert await migrate(empty_database) == IDS
    assert await migrate(empty_database) == []


async def test_status_lists_files_and_times(empty_database: str, folder: Path) -> None:
    """Status lists every file, and when it was applied."""
    assert [(s.id, s.applied, s.applied_at) for s in await status(empty_database)] == [
        (id, False, None) for id in IDS
    ]
    before = time.time()
    await migrate(empty_database)
    add(folder, "9000.later", "CREATE TABLE IF NOT EXISTS later (n int);")
    *applied, later = await status(empty_database, folder)
    assert [s.id for s in applied] == IDS
    for migration in applied:
        assert migration.applied_at is not None
        assert before - 1 <= migration.applied_at.timestamp() <= time.time() + 1
    assert later == ("9000.later", False, None, False, True)


async def test_up_down_up_gives_the_same_schema(
    empty_database: str, server: psycopg.Connection, tmp_path: Path
) -> None:
    """Each migration's rollback restores the catalogue as it was before it, and going up again
    gives the same once more.
    """
    up = [catalogue(server)]
    for id in IDS:
        for file in MIGRATIONS.glob(f"{id}.*"):
            shutil.copy(file, tmp_path)
        await migrate(empty_database, tmp_path)
        up.append(catalogue(server))
    for id, below in zip(reversed(IDS), reversed(up[:-1]), strict=True):
        await rollback(empty_database, 1)
        assert catalogue(server) == below, (
            f"{id}.rollback.sql leaves something behind, or takes too much"
        )
    assert below == []
    await migrate(empty_database)
    assert catalogue(server) == up[-1]


async def test_two_runs_at_once_apply_once(empty_database: str, folder: Path) -> None:
    """Of two runs at the same moment one applies, and the other waits and then finds nothing to
    do.
    """
    add(folder, "9000.slow", "CREATE TABLE slow (n int); SELECT pg_sleep(0.5);")
    results = await asyncio.gather(migrate(empty_database, folder), migrate(empty_database, folder))
    assert sorted(results, key=len) == [[], [*IDS, "9000.slow"]]


async def test_a_waiting_run_does_not_hold_up_a_concurrent_index(
    empty_database: str, folder: Path, server: psycopg.Connection
) -> None:
    """CREATE INDEX CONCURRENTLY waits for every snapshot, so a run that waits for the migration
    lock holds none.
    """
    add(
        folder,
        "9000.concurrent",
        "-- transactional: false\nSELECT pg_sleep(0.5);\nCREATE INDEX CONCURRENTLY IF NOT EXISTS"
        " tasks_title ON tasks (title);",
    )
    runs = asyncio.gather(migrate(empty_database, folder), migrate(empty_database, folder))
    results = await asyncio.wait_for(runs, 10)
    assert sorted(results, key=len) == [[], [*IDS, "9000.concurrent"]]
    assert exists(server, "tasks_title")


async def test_a_run_waits_a_bounded_time_for_another(
    empty_database: str, server: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run waits a bounded time for another one, then says so."""
    monkeypatch.setattr(migrations, "PATIENCE", 0.3)
    server.execute("SELECT pg_advisory_lock(%s)", [migrations.LOCK_KEY])
    with pytest.raises(MigrationError, match="still running"):
        await migrate(empty_database)
    assert not exists(server, "tasks")


async def test_a_cancelled_run_keeps_the_lock_until_its_migration_has_ended(
    empty_database: str, folder: Path, server: psycopg.Connection
) -> None:
    """Ctrl-C ends a run after the migration in hand: none is left half done, none runs beside the
    next run.
    """
    await migrate(empty_database)
    add(
        folder, "9000.slow", "CREATE TABLE slow (n int); LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE;"
    )
    add(folder, "9001.next", "CREATE TABLE next (n int);")
    with locked(empty_database, "tasks"):
        run = asyncio.create_task(migrate(empty_database, folder))
        await until(lambda: waits_for(server, "tasks"))
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        following = asyncio.create_task(migrate(empty_database, folder))
        await asyncio.sleep(0.3)
    assert await following == ["9001.next"]
    assert exists(server, "slow")


async def test_a_stale_lock_row_of_yoyo_is_cleared(
    empty_database: str, folder: Path, server: psycopg.Connection
) -> None:
    """A row that a killed process left in yoyo's lock table does not block the next run."""
    await migrate(empty_database)
    server.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 4711)")
    add(folder, "9000.next", "CREATE TABLE next (n int);")
    assert await asyncio.wait_for(migrate(empty_database, folder), 5) == ["9000.next"]
    assert server.execute("SELECT count(*) FROM yoyo_lock").fetchone() == (0,)


@pytest.mark.parametrize("id", IDS)
async def test_a_crash_before_marking_a_file_as_applied_heals(
    empty_database: str, server: psycopg.Connection, id: str
) -> None:
    """Killed when a migration is applied but not yet marked as such, the next run applies the file
    once more, without harm.
    """
    await migrate(empty_database)
    top = catalogue(server)
    todo = IDS[IDS.index(id) :]
    await rollback(empty_database, len(todo))
    # yoyo writes its log between the two steps.
    with locked(empty_database, "_yoyo_log"):
        await migrate_killed(
            empty_database, MIGRATIONS, when=lambda: waits_for(server, "_yoyo_log")
        )
    assert await migrate(empty_database) == todo
    assert catalogue(server) == top
    assert not any(s.changed for s in await status(empty_database))


async def test_a_kill_in_the_middle_of_a_migration_heals(
    empty_database: str, folder: Path, server: psycopg.Connection
) -> None:
    """Killed between two statements of one file, nothing of it stays, and the next run applies all
    of it.
    """
    await migrate(empty_database)
    add(
        folder,
        "9000.half",
        "CREATE TABLE half (n int); LOCK TABLE tasks IN EXCLUSIVE MODE; CREATE TABLE whole (n"
        " int);",
    )
    with locked(empty_database, "tasks"):
        await migrate_killed(empty_database, folder, when=lambda: waits_for(server, "tasks"))
        assert not exists(server, "half")
    assert await migrate(empty_database, folder) == ["9000.half"]
    assert [exists(server, name) for name in ("half", "whole")] == [True, True]


async def test_an_edited_file_is_refused_by_name(
    empty_database: str, folder: Path, server: psycopg.Connection
) -> None:
    """Once a migration is applied its file must not change: migrate names it and does nothing."""
    await migrate(empty_database, folder)
    edited = folder / f"{IDS[-1]}.sql"
    edited.write_text(edited.read_text() + "\n-- one more thing\n")
    add(folder, "9000.next", "CREATE TABLE next (n int);")
    with pytest.raises(
        MigrationError, match=f"migrations/{IDS[-1]}.sql: edited after it was applied"
    ):
        await migrate(empty_database, folder)
    assert not exists(server, "next")
    assert [s.id for s in await status(empty_database, folder) if s.changed] == [IDS[-1]]


async def test_a_rolled_back_file_may_be_edited(empty_database: str, folder: Path) -> None:
    """Checksums bind applied files only: one that was rolled back may change before it is applied
    again.
    """
    await migrate(empty_database, folder)
    await rollback(empty_database, 1, folder)
    edited = folder / f"{IDS[-1]}.sql"
    edited.write_text(edited.read_text() + "\n-- better\n")
    assert await migrate(empty_database, folder) == IDS[-1:]
    assert not any(s.changed for s in await status(empty_database, folder))


async def test_a_failed_rollback_leaves_the_file_bound(empty_database: str, folder: Path) -> None:
    """A migration whose rollback failed is still applied, and so is its file's checksum still
    kept.
    """
    add(folder, "9000.stays", "CREATE TABLE stays (n int);", "DROP TABLE stays;\nSELECT 1 / 0;")
    await migrate(empty_database, folder)
    with pytest.raises(
        MigrationError, match=r"9000\.stays\.rollback\.sql:2:1: .*Nothing of it was done"
    ):
        await rollback(empty_database, 1, folder)
    add(folder, "9000.stays", "CREATE TABLE stays (n bigint);")
    with pytest.raises(MigrationError, match="edited"):
        await migrate(empty_database, folder)


async def test_a_checksum_left_over_is_dropped(
    empty_database: str, folder: Path, server: psycopg.Connection
) -> None:
    """A rollback that died before it dropped a checksum has the next run drop it."""
    await migrate(empty_database)
    server.execute("INSERT INTO migration_checksums VALUES ('9000.gone', repeat('0', 64))")
    await migrate(empty_database)
    assert [id for (id,) in server.execute("SELECT id FROM migration_checksums ORDER BY id")] == IDS


async def test_a_failure_at_commit_does_not_claim_that_nothing_was_done(
    empty_database: str, folder: Path
) -> None:
    """What fails after a file's last statement may have left it applied, and the message does not
    say otherwise.
    """
    deferred = (
        "CREATE TABLE a (n int PRIMARY KEY);\nCREATE TABLE b (n int REFERENCES a DEFERRABLE"
        " INITIALLY DEFERRED);"
    )
    add(folder, "9000.late", f"{deferred}\nINSERT INTO b VALUES (1);")
    with pytest.raises(
        MigrationError, match=r"^migrations/9000\.late\.sql: .*It may be done already"
    ):
        await migrate(empty_database, folder)


async def test_a_missing_checksum_is_stored_by_the_next_run(
    empty_database: str, server: psycopg.Connection
) -> None:
    """A run that died before it stored a checksum has the next one store it."""
    await migrate(empty_database)
    kept = server.execute("SELECT * FROM migration_checksums ORDER BY id").fetchall()
    assert len(kept) == len(IDS)
    server.execute("DELETE FROM migration_checksums")
    await migrate(empty_database)
    assert server.execute("SELECT * FROM migration_checksums ORDER BY id").fetchall() == kept


async def test_a_locked_table_ends_the_run_in_time(
    empty_database: str, folder: Path, server: psycopg.Connection
) -> None:
    """A table that is in use makes a migration give up in time, say where, and change nothing."""
    await migrate(empty_database)
    add(
        folder,
        "9000.wide",
        "SET lock_timeout = '200ms';\nCREATE TABLE half (n int);\nALTER TABLE tasks ADD COLUMN note"
        " text;",
    )
    before = catalogue(server)
    with psycopg.connect(empty_database) as reader:
        reader.execute("SELECT FROM tasks")  # an open transaction is enough
        with pytest.raises(
            MigrationError, match=r"migrations/9000\.wide\.sql:3:1: another session holds a lock"
        ):
            await asyncio.wait_for(migrate(empty_database, folder), 4)
    assert catalogue(server) == before
    assert await migrate(empty_database, folder) == ["9000.wide"]


async def test_the_roles_timeouts_do_not_apply(
    empty_database: str, folder: Path, server: psycopg.Connection
) -> None:
    """A role's statement_timeout ends no long migration, and every lock wait has a timeout."""
    server.execute(f"ALTER DATABASE {server.info.dbname} SET statement_timeout = '300ms'")
    server.execute(f"ALTER DATABASE {server.info.dbname} SET lock_timeout = '0'")
    add(
        folder,
        "9000.long",
        "SELECT pg_sleep(0.4); CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS"
        " lock_timeout;",
    )
    assert await migrate(empty_database, folder) == [*IDS, "9000.long"]
    assert server.execute("SELECT lock_timeout FROM seen").fetchone() == ("2s",)


@pytest.mark.parametrize("script", sorted(path.name for path in MIGRATIONS.glob("*.sql")))
def test_every_script_begins_with_a_lock_timeout(script: str) -> None:
    """Each script limits lock waits, which block other statements, to two seconds, well below a
    request's five.
    """
    first = next(
        line
        for line in (MIGRATIONS / script).read_text("ascii").splitlines()
        if not line.startswith("-- ")
    )
    assert first.startswith("SET lock_timeout = '2s';"), first
    assert LOCK_TIMEOUT == 2000
    assert Settings.model_fields["db_statement_timeout"].default >= 2 * LOCK_TIMEOUT / 1000


@pytest.mark.parametrize("id", IDS)
def test_every_migration_has_a_rollback(id: str) -> None:
    """Every migration has a rollback script."""
    assert files()[id].rollback.is_file()


@pytest.mark.parametrize(
    ("script", "where", "why"),
    [
        (
            (
                "CREATE TABLE half (n int);\n\n-- a comment; with 'marks\nSELECT n,\n       wrong"
                " FROM half;"
            ),
            "5:8",
            "column",
        ),
        ("CREATE TABLE half (n int);\n\n-- why\nSELECT 1 / 0;", "4:1", "division by zero"),
        (
            (
                "CREATE TABLE half AS SELECT 4711 AS n\nFROM (VALUES (1), (2)) AS v;\n  CREATE"
                " UNIQUE INDEX ON half (n);"
            ),
            "3:3",
            "unique",
        ),
    ],
)
async def test_a_failing_migration_changes_nothing_and_says_where(
    empty_database: str, folder: Path, server: psycopg.Connection, script: str, where: str, why: str
) -> None:
    """A failed statement rolls back its file; the message has file, line and column, and no row
    content.
    """
    await migrate(empty_database)
    before = catalogue(server)
    add(folder, "9000.wrong", script)
    add(folder, "9001.next", "CREATE TABLE next (n int);")
    with pytest.raises(
        MigrationError, match=rf"^migrations/9000\.wrong\.sql:{where}: .*{why}"
    ) as raised:
        await migrate(empty_database, folder)
    assert "4711" not in str(raised.value)
    assert catalogue(server) == before
    assert [s.id for s in await status(empty_database, folder) if not s.applied] == [
        "9000.wrong",
        "9001.next",
    ]


async def test_a_failure_outside_a_transaction_says_that_it_may_leave_something(
    empty_database: str, folder: Path
) -> None:
    """Only a migration that ran in a transaction is said to have done nothing."""
    add(
        folder,
        "9000.wrong",
        "-- transactional: false\nCREATE TABLE IF NOT EXISTS left_over (n int);\nSELECT wrong;",
    )
    with pytest.raises(MigrationError, match=r"wrong\.sql:3:8: .*outside a transaction") as raised:
        await migrate(empty_database, folder)
    assert "Nothing of it was done" not in str(raised.value)


async def test_an_unreadable_directive_is_reported_with_its_file(
    empty_database: str, folder: Path
) -> None:
    """A directive that yoyo cannot read stops the run before anything is applied; the message names
    the file.
    """
    add(folder, "9000.wrong", "-- depends: nothing.there\nSELECT 1;")
    with pytest.raises(MigrationError, match=r"migrations/9000\.wrong\.sql"):
        await migrate(empty_database, folder)
    assert not any(s.applied for s in await status(empty_database, folder))


async def test_rollback_undoes_the_newest_first(
    empty_database: str, folder: Path, server: psycopg.Connection
) -> None:
    """Rollback takes the newest migrations, newest first, and no more than asked for."""
    add(folder, "9000.a", "CREATE TABLE a (n int);", "DROP TABLE a;")
    add(folder, "9001.b", "CREATE TABLE b (n int);", "DROP TABLE b;")
    await migrate(empty_database, folder)
    assert await rollback(empty_database, 2, folder) == ["9001.b", "9000.a"]
    assert [id for (id,) in server.execute("SELECT id FROM migration_checksums ORDER BY id")] == IDS
    assert [exists(server, name) for name in ("tasks", "a", "b")] == [True, False, False]


async def test_rollback_without_a_script_is_refused(
    empty_database: str, folder: Path, server: psycopg.Connection
) -> None:
    """A migration without a rollback script stays applied: forgetting it would not undo it."""
    add(folder, "9000.a", "CREATE TABLE a (n int);")
    await migrate(empty_database, folder)
    with pytest.raises(MigrationError, match=r"9000\.a\.rollback\.sql is missing"):
        await rollback(empty_database, 1, folder)
    assert exists(server, "a")
    assert all(s.applied for s in await status(empty_database, folder))


async def test_rollback_below_a_newer_build_is_refused(
    empty_database: str, folder: Path, server: psycopg.Connection
) -> None:
    """What a newer build applied may rest on what an older one would undo; migrating and asking
    stay possible.
    """
    add(folder, "9000.newer", "CREATE TABLE newer (n int);")
    await migrate(empty_database, folder)
    with pytest.raises(MigrationError, match=r"9000\.newer is unknown to this build"):
        await rollback(empty_database, 1)
    assert exists(server, "tasks")
    assert await migrate(empty_database) == []
    last = (await status(empty_database))[-1]
    assert (last.id, last.applied, last.known, last.changed) == ("9000.newer", True, False, False)


async def test_a_database_of_a_build_before_1_0_is_refused(
    empty_database: str, tmp_path: Path, server: psycopg.Connection
) -> None:
    """Nothing is applied to, or taken from, a database whose schema is another; the message says
    what to do. The service does not start on it either.
    """
    older = tmp_path / "older"
    older.mkdir()
    add(older, "0000.checksums", (MIGRATIONS / "0001.checksums.sql").read_text())
    add(older, BEFORE_1_0, "CREATE TABLE tasks (owner_id text, id uuid);")
    assert await migrate(empty_database, older) == ["0000.checksums", BEFORE_1_0]
    before = catalogue(server)
    for act in (migrate(empty_database), rollback(empty_database, 1)):
        with pytest.raises(MigrationError, match="Give this build an empty database"):
            await act
    assert catalogue(server) == before
    assert pending([s.id for s in await status(empty_database, older)]).problem == OUTDATED


async def test_a_rollback_count_below_1_is_refused(empty_database: str) -> None:
    """A count below 1 is refused without connecting."""
    with pytest.raises(ValueError, match="at least 1"):
        await rollback(empty_database, 0)


async def test_the_log_names_the_role(empty_database: str, server: psycopg.Connection) -> None:
    """The log says which role migrated: the operating system may have no name for a container's
    user.
    """
    await migrate(empty_database)
    assert server.execute(
        "SELECT DISTINCT username::name = current_user FROM _yoyo_log"
    ).fetchall() == [(True,)]


async def test_a_run_leaves_no_errors_in_the_servers_log(
    empty_database: str, folder: Path, server: psycopg.Connection
) -> None:
    """Once a database was migrated, a run fails no transaction: a DBA's log stays clean."""

    async def failed() -> object:
        others = (
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name"
            " LIKE '%migrate'"
        )
        # Sessions are counted when they end
        await until(lambda: server.execute(others).fetchone() is None)
        return server.execute(
            "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()

    await migrate(empty_database)
    before = await failed()
    add(folder, "9000.next", "CREATE TABLE next (n int);")
    await migrate(empty_database, folder)
    assert await failed() == before


def test_a_run_prints_and_warns_nothing(empty_database: str, folder: Path) -> None:
    """In a process of its own a run prints nothing to standard output, and warns of nothing."""
    add(folder, "9000.noisy", "SELECT 'noise' AS noise;")
    command = [sys.executable, "-W", "error", "-c", PROGRAM, empty_database, str(folder)]
    done = subprocess.run(
        command, cwd=MIGRATIONS.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert "Warning" not in done.stderr
    assert "noise" in done.stderr


def test_squawk_accepts_the_migrations() -> None:
    """Squawk finds no statement in a migration that would block others, or break an older
    version.
    """
    root = MIGRATIONS.parent
    squawk = Path(sys.executable).with_name("squawk")
    done = subprocess.run(
        [squawk, *sorted(MIGRATIONS.glob("*.sql"))],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
