"""Read the migrations folder, and compare it with a schema.

Separate from `migrations`, so that `serve` can check its schema without loading a second driver.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..db import MIGRATIONS
from ..db.errors import UNDEFINED_TABLE, QueryFailed
from ..db.queries import NOBODY, Queries
from ..db.requirements import Unmet, unmet_to_serve

_MIGRATION = re.compile(r"\d{4}\.[a-z0-9_]+")
COMMAND = "python -m service migrate"

BEFORE_1_0 = "0001.tasks"
"""Applied in every database of a build before 1.0; no file of this schema has that name."""
OUTDATED = (
    "The database was made by a build before 1.0, whose schema cannot be brought up to this one's."
    " Give this build an empty database, or go on with the older build; migrations/README.md says"
    " how to take the tasks along."
)


class MigrationError(Exception):
    """The schema is wrong, or cannot be migrated. The message has the cause and what to run."""


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """A migration in the folder. `id` is the file's name without `.sql`."""

    id: str
    path: Path

    @property
    def rollback(self) -> Path:
        """The path of its rollback script, if it has one."""
        return self.path.with_name(f"{self.id}.rollback.sql")

    @property
    def contracts(self) -> bool:
        """Whether it removes what an older build needs; its first line says when that is safe:
        `-- contract: …`.
        """
        return self.path.read_bytes().startswith(b"-- contract: ")

    @property
    def sha256(self) -> str:
        """The checksum of the content, independent of a checkout's line endings."""
        return hashlib.sha256(self.path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def files(folder: Path = MIGRATIONS) -> dict[str, MigrationFile]:
    """Return every migration in the folder by id, in the order of application.

    Raises MigrationError if there is none, or a file that is neither `NNNN.slug.sql` nor the
    `.rollback.sql` of one.
    """
    found = {
        path.stem: MigrationFile(path.stem, path)
        for path in sorted(folder.glob("*.sql"))
        if _MIGRATION.fullmatch(path.stem)
    }
    known = {path for migration in found.values() for path in (migration.path, migration.rollback)}
    for path in sorted({*folder.glob("*.sql"), *folder.glob("*.py")} - known):
        raise MigrationError(
            f"{path}: not a migration; name it NNNN.slug.sql, or NNNN.slug.rollback.sql next to"
            " that"
        )
    if not found:
        raise MigrationError(f"{folder}: no migrations here; this build is not whole")
    return found


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference between a database's schema and this build's."""

    missing: tuple[str, ...]
    """Pending, in the order of application: the service must not start. Without contractions, which
    may wait.
    """
    unknown: tuple[str, ...]
    """Applied by a newer build. Harmless: during a rolling deploy the older build runs beside the
    newer schema. (Or by a build before 1.0, which is not.)
    """

    @property
    def problem(self) -> str | None:
        """Why the service cannot start on this schema, and what to run; None if it can."""
        if BEFORE_1_0 in self.unknown:
            return OUTDATED
        if not self.missing:
            return None
        return (
            f"The database's schema is behind this build: {', '.join(self.missing)} not applied."
            f" Run `{COMMAND}`."
        )


def pending(applied: Iterable[str], folder: Path = MIGRATIONS) -> Difference:
    """Compare the ids of `schema/applied` (none if that fails with 42P01) with the folder."""
    there, here = list(applied), files(folder)
    return Difference(
        tuple(id for id, file in here.items() if id not in there and not file.contracts),
        tuple(id for id in there if id not in here),
    )


async def obstacle(queries: Queries) -> Unmet | None:
    """Return the unmet requirement of the server, or of the role's privileges, if any. Raises
    QueryFailed.
    """
    return unmet_to_serve(await queries.one("schema/server", NOBODY))


async def difference(queries: Queries) -> Difference:
    """Return the difference of the service's schema from this build. Raises QueryFailed."""
    try:
        applied = await queries.many("schema/applied", NOBODY)
    except QueryFailed as error:
        if error.sqlstate != UNDEFINED_TABLE:
            raise
        applied = []  # never migrated
    return pending(row["id"] for row in applied)
