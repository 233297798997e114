"""Migrate the schema up or down, one run at a time.

yoyo applies the files; this module makes that safe:

- A run holds an advisory lock, which ends with its session however the process dies.
- yoyo's own lock is a row that a killed process leaves behind: the holder of the advisory lock
  deletes it.
- yoyo applies a file and records it in two steps. Files are re-runnable, so the next run repairs a
  crash in between.
- The checksum of each applied file is kept, and an edited file refused.
- Session locks do not work through a pooler in transaction mode, so that is refused.

Only psycopg is used here: yoyo needs it, and the lock must be on the same server by the same URL.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import DictRow

from ..db import MIGRATIONS
from .direct import Session, check_server, connected, parameters_of, run
from .schema import BEFORE_1_0, COMMAND, OUTDATED, MigrationError, MigrationFile, files
from .steps import name_of, read, step
from .yoyo_backend import opened

LOCK_KEY = 0x7461736B73  # "tasks" in ASCII; advisory locks are per database
PATIENCE = 60.0
"""Seconds to wait while another migration runs."""

_POLL = 0.2


class Status(NamedTuple):
    """One migration: in this build's folder, in the database, or in both."""

    id: str
    applied: bool
    applied_at: datetime | None
    changed: bool
    """The file has changed since it was applied."""
    known: bool
    """False: a newer build applied it, and this one lacks the file."""


async def status(dsn: str, folder: Path = MIGRATIONS) -> list[Status]:
    """Return every migration in order, unknown ones last. Takes no lock and changes nothing. Raises
    MigrationError.
    """
    return await asyncio.to_thread(_status, dsn, folder)


async def migrate(dsn: str, folder: Path = MIGRATIONS, *, contract: bool = True) -> list[str]:
    """Apply all pending migrations, and return their ids in order. Waits up to PATIENCE seconds
    while another migration runs.

    Without `contract` the last contractions stay pending, until no older build runs. Each migration
    is applied completely or not at all; those before a failing one stay applied. Raises
    MigrationError.
    """
    return await _aside(lambda stop: _migrate(dsn, folder, stop, contract=contract))


async def rollback(dsn: str, count: int, folder: Path = MIGRATIONS) -> list[str]:
    """Undo the newest `count` (at least 1) migrations and lose the data they hold; return the ids,
    newest first.

    Raises MigrationError, also if a newer build has migrated: its migrations may depend on these.
    """
    if count < 1:
        raise ValueError("count must be at least 1")
    return await _aside(lambda stop: _rollback(dsn, count, folder, stop))


async def _aside(work: Callable[[Event], list[str]]) -> list[str]:
    """Run in a thread, as yoyo is synchronous. If cancelled (Ctrl-C), the thread finishes the
    current migration, still locked.
    """
    stop = Event()
    try:
        return await asyncio.to_thread(work, stop)
    finally:
        stop.set()


def _status(dsn: str, folder: Path) -> list[Status]:
    here = files(folder)
    with connected(parameters_of(dsn)) as session:
        there = {row["id"]: row for row in _applied(session)}
    edited = {file.id for file in _edited(there.values(), here)}
    return [
        Status(
            id,
            id in there,
            there[id]["applied_at"] if id in there else None,
            id in edited,
            id in here,
        )
        for id in [*here, *(id for id in there if id not in here)]
    ]


def _migrate(dsn: str, folder: Path, stop: Event, *, contract: bool) -> list[str]:
    here, parameters = files(folder), parameters_of(dsn)
    held = set() if contract else _contractions_at_the_end(here)
    done: list[str] = []
    with _locked(parameters, stop) as session:
        applied = {row["id"] for row in _applied(session)}
        check_server(session, creates=not here.keys() <= applied)
        with opened(parameters) as backend:
            _forget(session)
            for row in _verified(session, here):
                if row["sha256"] is None and row["id"] in here:
                    run(session, "migrate/record", id=row["id"], sha256=here[row["id"]].sha256)
            for migration in backend.to_apply(read(folder)):
                if stop.is_set() or migration.id in held:
                    break
                file = here[migration.id]
                step(backend.apply_one, migration, file.path)
                run(session, "migrate/record", id=file.id, sha256=file.sha256)
                done.append(file.id)
    return done


def _contractions_at_the_end(here: dict[str, MigrationFile]) -> set[str]:
    return {
        file.id
        for file in itertools.takewhile(lambda file: file.contracts, reversed(here.values()))
    }


def _rollback(dsn: str, count: int, folder: Path, stop: Event) -> list[str]:
    here, parameters = files(folder), parameters_of(dsn)
    done: list[str] = []
    with _locked(parameters, stop) as session, opened(parameters) as backend:
        newer = [row["id"] for row in _verified(session, here) if row["id"] not in here]
        if newer:
            raise MigrationError(
                f"{', '.join(newer)} is unknown to this build: roll back with the build that"
                " applied it."
            )
        for migration in backend.to_rollback(read(folder))[:count]:
            if stop.is_set():
                break
            file = here[migration.id]
            if not file.rollback.is_file():
                raise MigrationError(
                    f"{name_of(file.rollback)} is missing: {file.id} cannot be rolled back."
                )
            step(backend.rollback_one, migration, file.rollback)
            _forget(session)
            done.append(file.id)
    return done


@contextlib.contextmanager
def _locked(parameters: dict[str, Any], stop: Event) -> Iterator[Session]:
    """Open a session that holds the migration lock; the lock ends with it."""
    with connected(parameters) as session:
        deadline = time.monotonic() + PATIENCE
        while not run(session, "migrate/lock", key=LOCK_KEY)[0]["locked"]:
            if stop.wait(_POLL) or time.monotonic() > deadline:
                raise MigrationError(
                    f"Another migration is still running. Run `{COMMAND}` again when it has ended."
                )
        yield session


def _applied(session: Session) -> list[DictRow]:
    try:
        return run(session, "schema/applied")
    except psycopg.errors.UndefinedTable:  # never migrated
        return []


def _forget(session: Session) -> None:
    """Delete the checksums of rolled back migrations: after each step, and at the start of a run,
    in case the last one died before that.
    """
    # Never migrated, or the table itself was rolled back
    with contextlib.suppress(psycopg.errors.UndefinedTable):
        run(session, "migrate/forget")


def _verified(session: Session, here: dict[str, MigrationFile]) -> list[DictRow]:
    """Return the applied migrations.

    Raises MigrationError for a database of a build before 1.0, and for edited files, by name.
    """
    applied = _applied(session)
    if any(row["id"] == BEFORE_1_0 for row in applied):
        raise MigrationError(OUTDATED)
    edited = ", ".join(name_of(file.path) for file in _edited(applied, here))
    if edited:
        raise MigrationError(
            f"{edited}: edited after it was applied. Restore the file as it was, put the change in"
            f" a new migration, and run `{COMMAND}` again."
        )
    return applied


def _edited(applied: Iterable[DictRow], here: dict[str, MigrationFile]) -> list[MigrationFile]:
    return [
        here[row["id"]]
        for row in applied
        if row["id"] in here and row["sha256"] not in (None, here[row["id"]].sha256)
    ]
