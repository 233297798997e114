"""Read migration files, run one, and say where it failed; yoyo does the first two."""

import contextlib
import glob
import re
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
from yoyo.exceptions import BadMigration
from yoyo.migrations import Migration, MigrationList, read_migrations

from ..db.statement import location
from .direct import primary
from .schema import COMMAND, MigrationError

_LEADING_COMMENTS = re.compile(r"(?:\s+|--[^\n]*\n)*")


def read(folder: Path) -> MigrationList:
    """Return the files as yoyo parses them."""
    migrations = read_migrations(glob.escape(str(folder)))
    for migration in migrations:
        try:
            migration.load()
        except (BadMigration, KeyError, UnicodeDecodeError) as error:
            raise MigrationError(f"{name_of(Path(migration.path))}: {error}") from None
    return migrations


def step(act: Callable[[Migration], None], migration: Migration, script: Path) -> None:
    """Apply or roll back one migration, all or nothing. Raises MigrationError with the failed file
    and line.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):  # yoyo prints rows that a migration selects
            act(migration)
    except psycopg.Error as error:
        where, why = _location(error, script), primary(error)
        if not migration.use_transactions:
            left = "It runs outside a transaction: see what was done."
        elif where == name_of(script):  # at COMMIT, or in yoyo's bookkeeping after it
            left = "It may be done already; a second time does no harm."
        else:
            left = "Nothing of it was done."
        if isinstance(error, psycopg.errors.LockNotAvailable):
            why = (
                "another session holds a lock that it needs, and still did after the file's"
                f" lock_timeout ({why})"
            )
        raise MigrationError(f"{where}: {why}. {left} Then run `{COMMAND}` again.") from None


def name_of(path: Path) -> str:
    """Return a file's name with its folder, for messages."""
    return f"{path.parent.name}/{path.name}"


def _location(error: psycopg.Error, script: Path) -> str:
    """Return `file:line:col` of the server's error position, else of the failed statement; the file
    alone if the statement is not from it.
    """
    source = script.read_text("utf-8")
    statement = next(iter(getattr(error, "__notes__", ())), "")
    start = source.find(statement) if statement else -1
    if start < 0:
        return name_of(script)
    position = error.diag.statement_position
    comments = _LEADING_COMMENTS.match(statement)
    return location(
        name_of(script),
        source,
        start + (int(position) - 1 if position else comments.end() if comments else 0),
    )
