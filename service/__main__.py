"""The command line: `python -m service <command>`."""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from pydantic import SecretStr

from . import __version__
from .db.errors import FAULTS
from .db.pool import Pool
from .db.statements import StatementsError, shipped
from .environment import read
from .migrate import schema
from .ops.logs import configure
from .serving import check_schema, listen
from .settings import DatabaseSettings, LogSettings, Settings, SettingsError, TokenSettings

if TYPE_CHECKING:
    from .check import Report


class CommandError(Exception):
    """The command cannot run. The message has the cause and the cure."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    _open_standard_streams()
    options = _parser().parse_args(arguments)
    try:
        status = options.run(options)
    except (CommandError, SettingsError, StatementsError, schema.MigrationError) as error:
        print(
            f"task-service: {error}" if "\n" not in str(error) else f"task-service:\n{error}",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 130
    return status or 0


def _open_standard_streams() -> None:
    """Open closed standard streams on /dev/null: else the next file or socket would get their
    descriptors, and the log would be written there.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor: this one
            os.set_inheritable(descriptor, True)  # noqa: FBT003 - positional only


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service", description="A multi-user task service on PostgreSQL."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    dev = commands.add_parser("dev", help="the service with a PostgreSQL of its own, ready to try")
    dev.set_defaults(run=_dev, status=False, rollback=None, expand=False, grant=None)

    serve = commands.add_parser("serve", help="the service against DATABASE_URL")
    serve.set_defaults(run=_serve)

    migrate = commands.add_parser("migrate", help="bring the schema up to this build")
    which = migrate.add_mutually_exclusive_group()
    which.add_argument(
        "--status", action="store_true", help="list the migrations and change nothing"
    )
    which.add_argument(
        "--rollback", type=_positive, metavar="N", help="undo the newest N migrations"
    )
    which.add_argument(
        "--grant",
        metavar="ROLE",
        help="and grant that role what the statements need: the service's, if not the owner",
    )
    migrate.add_argument(
        "--expand",
        action="store_true",
        help="leave out the contractions at the end while an older build runs",
    )
    migrate.set_defaults(run=_migrate)

    check = commands.add_parser(
        "check", help="prove every statement against the migrated database, running none"
    )
    check.add_argument(
        "--format",
        choices=("table", "json", "markdown"),
        default="table",
        help="for people (default), machines, docs",
    )
    check.add_argument(
        "--grants",
        metavar="ROLE",
        help="print the smallest GRANTs under which every statement runs",
    )
    check.set_defaults(run=_check)

    token = commands.add_parser("token", help="a token for development (HS256)")
    token.add_argument("user", metavar="USER", help="the token's subject: the user id in the paths")
    token.add_argument("--email", help="the email claim")
    token.add_argument(
        "--ttl",
        type=_positive,
        default=3600,
        metavar="SECONDS",
        help="how long it is valid (default: 3600)",
    )
    token.set_defaults(run=_token)

    contract = commands.add_parser("openapi", help="the contract, an OpenAPI 3.1 document")
    contract.set_defaults(run=_openapi)
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _serve(_: argparse.Namespace) -> None:
    settings = read(Settings)
    configure(settings)
    asyncio.run(check_schema(settings))
    listen(settings)


def _dev(options: argparse.Namespace) -> None:
    with _own_postgres():
        from .dev import run as dev
    with _own_postgres(), dev.prepared():
        settings = read(Settings)
        configure(settings)
        _migrate(options)
        print(dev.tour(settings), flush=True)
        listen(settings)


def _migrate(options: argparse.Namespace) -> None:
    from .migrate import migrations

    settings = read(DatabaseSettings)
    configure(read(LogSettings))
    url = (settings.direct_url or settings.database_url).get_secret_value()
    if options.status:
        for status in asyncio.run(migrations.status(url)):
            when = f"{status.applied_at:%Y-%m-%d %H:%M:%SZ}" if status.applied_at else "pending"
            notes = " edited since it was applied" * status.changed + " unknown to this build" * (
                not status.known
            )
            print(f"{status.id:40} {when}{notes}")
    elif options.rollback:
        for name in asyncio.run(migrations.rollback(url, options.rollback)):
            print(f"rolled back {name}")
    else:
        for name in asyncio.run(migrations.migrate(url, contract=not options.expand)) or [
            "nothing: the schema is up to date"
        ]:
            print(f"applied {name}")
        if options.grant:
            for grant in asyncio.run(_grant(settings, url, options.grant, between=options.expand)):
                print(grant)


async def _grant(
    settings: DatabaseSettings, url: str, role: str, *, between: bool
) -> tuple[str, ...]:
    """Grant the role what `check --grants` prints, all or nothing. Revoke nothing: an older version
    may still run.

    `between` two builds, ignore the faults of transition triggers, as the new build needs its
    privileges.
    """
    direct = settings.model_copy(update={"database_url": SecretStr(url)})
    report = await _report(direct, role)
    faults = [fault for fault in report.faults if not (between and fault.rule == "code")]
    if faults:
        raise CommandError(
            f"Nothing was granted: {len(faults)} faults in the statements. Run `python -m service"
            " check`."
        )
    try:
        async with (
            Pool(direct) as pool,
            pool.connection(direct.db_acquire_timeout) as connection,
            connection.transaction(),
        ):
            for grant in report.grants:
                await connection.execute(grant)
    except FAULTS as error:
        raise CommandError(f"Nothing was granted to {role}: {error}") from None
    return report.grants


def _check(options: argparse.Namespace) -> int:
    """Return 0 if all is proven, 1 for faults, 2 if the check could not run."""
    from .check import CheckError

    try:
        with _scratch_database():
            report = asyncio.run(_report(read(DatabaseSettings), options.grants or ""))
    except (CheckError, CommandError, SettingsError, schema.MigrationError, *FAULTS) as error:
        print(
            "task-service: the check could not be carried out:"
            f" {str(error) or type(error).__name__}",
            file=sys.stderr,
        )
        return 2
    if options.grants and not report.faults:
        print("\n".join(report.grants))
    else:
        print(
            {"table": report.text, "json": report.json, "markdown": report.markdown}[
                options.format
            ]()
        )
    return 1 if report.faults else 0


async def _report(settings: DatabaseSettings, role: str) -> "Report":
    from .check import check
    from .resources import tasks

    async with Pool(settings) as pool, pool.connection(settings.db_acquire_timeout) as connection:
        return await check(connection, shipped(), answers=tasks.ANSWERS, role=role)


@contextlib.contextmanager
def _scratch_database() -> Iterator[None]:
    """Use the environment's database, without changing it, or a temporary one, migrated."""
    if os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE"):
        yield
        return
    with _own_postgres():
        from .dev import postgres
    from .migrate import migrations

    with (
        _own_postgres(),
        tempfile.TemporaryDirectory() as folder,
        postgres.running(Path(folder) / "pg", {"fsync": "off"}) as server,
    ):
        asyncio.run(migrations.migrate(server.dsn))
        os.environ["DATABASE_URL"] = server.dsn
        try:
            yield
        finally:
            del os.environ["DATABASE_URL"]


@contextlib.contextmanager
def _own_postgres() -> Iterator[None]:
    """Raise CommandError if the local PostgreSQL cannot start; the image has none."""
    try:
        from .dev.programs import LocalPostgresError
    except ModuleNotFoundError:
        raise CommandError("there is no PostgreSQL of our own here: set DATABASE_URL") from None
    try:
        yield
    except LocalPostgresError as error:
        raise CommandError(str(error)) from None


def _token(options: argparse.Namespace) -> None:
    # It loads cryptography, which `migrate` and `check` do not need.
    from .auth.tokens import issue

    settings = read(TokenSettings)
    if settings.secret is None:
        raise CommandError("with JWKS_URL only the issuer can make tokens: it has the private key")
    print(issue(settings, options.user, ttl=options.ttl, email=options.email))


def _openapi(_: argparse.Namespace) -> None:
    from .app import openapi

    print(msgspec.json.format(openapi(), indent=2).decode())


if __name__ == "__main__":
    sys.exit(main())
