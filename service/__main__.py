"""The command line: `python -m service <command>`."""

import argparse
import asyncio
import contextlib
import logging
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvicorn
from pydantic import SecretStr

from . import __version__
from .auth.tokens import sign
from .db import SQL, schema
from .db.errors import FAULTS, QueryFailed
from .db.pool import Pool
from .db.programs import LocalPostgresError
from .db.queries import Queries
from .db.statements import StatementsError, load
from .ops.logs import configure
from .settings import DatabaseSettings, LogSettings, Settings, SettingsError, TokenSettings, read
from .web.protocol import HttpProtocol

if TYPE_CHECKING:
    from .check import Report

KEEP_ALIVE = 75
"""Seconds; longer than the 60 of common proxies, so that it is they who close an idle connection."""
GRACE = 10
"""Seconds that requests in flight get to finish when the process is told to stop."""
LOCAL = Path(".local")
"""Where `dev` keeps its database and its secret."""


class CommandError(Exception):
    """The command cannot be carried out; the message says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status = options.run(options)
    except (CommandError, SettingsError, StatementsError, schema.MigrationError) as error:
        print(f"task-service: {error}" if "\n" not in str(error) else f"task-service:\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service", description="A multi-user task service on PostgreSQL.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    dev = commands.add_parser("dev", help="the service with a PostgreSQL of its own, ready to try")
    dev.set_defaults(run=_dev, status=False, rollback=None, expand=False, grant=None)

    serve = commands.add_parser("serve", help="the service against DATABASE_URL")
    serve.set_defaults(run=_serve)

    migrate = commands.add_parser("migrate", help="bring the schema up to this build")
    which = migrate.add_mutually_exclusive_group()
    which.add_argument("--status", action="store_true", help="list the migrations and change nothing")
    which.add_argument("--rollback", type=_positive, metavar="N", help="undo the newest N migrations")
    which.add_argument(
        "--grant", metavar="ROLE", help="and grant that role what the statements need: the service's, if not the owner"
    )
    migrate.add_argument("--expand", action="store_true", help="leave out the contractions at the end while an older build runs")
    migrate.set_defaults(run=_migrate)

    check = commands.add_parser("check", help="prove every statement against the migrated database, running none")
    check.add_argument(
        "--format", choices=("table", "json", "markdown"), default="table", help="for people (default), machines, docs"
    )
    check.add_argument("--grants", metavar="ROLE", help="print the smallest GRANTs under which every statement runs")
    check.set_defaults(run=_check)

    token = commands.add_parser("token", help="a token for development (HS256)")
    token.add_argument("user", metavar="USER", help="whom it speaks for: the user id in the paths")
    token.add_argument("--email", help="the email claim")
    token.add_argument("--ttl", type=_positive, default=3600, metavar="SECONDS", help="how long it is valid (default: 3600)")
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
    asyncio.run(_check_schema(settings))
    _listen(settings)


async def _check_schema(settings: DatabaseSettings) -> None:
    """Refuse a schema that is behind this build. A database that is away is waited for by the readiness probe."""
    async with Pool(settings) as pool:
        try:
            difference = await schema.difference(Queries(load(SQL), pool, settings.db_acquire_timeout))
        except QueryFailed as error:
            logging.getLogger("service").warning("the schema cannot be checked yet: %s", error)
            return
    if difference.problem:
        raise schema.MigrationError(difference.problem)


def _listen(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Each worker reads the settings from the environment, as this process did."""
    # uvicorn repeats the signal once it has shut down: the default would end the process there and then.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        "service.app:application",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )


def _dev(options: argparse.Namespace) -> None:
    os.environ.setdefault("LOG_FORMAT", "text")
    LOCAL.mkdir(mode=0o755, exist_ok=True)
    _ensure_secret()
    with _ensure_database():
        settings = read(Settings)
        configure(settings)
        _migrate(options)
        _print_tour(settings)
        _listen(settings)


def _ensure_secret() -> None:
    """Tokens stay valid from run to run: the secret is made once."""
    sources = ("BETTER_AUTH_SECRET", "JWT_SECRET", "JWKS_URL")
    if any(os.environ.get(name) or os.environ.get(f"{name}_FILE") for name in sources):
        return
    path = LOCAL / "secret"
    with contextlib.suppress(FileExistsError), open(path, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(secrets.token_urlsafe(48))
    os.environ["BETTER_AUTH_SECRET_FILE"] = str(path)


@contextlib.contextmanager
def _ensure_database() -> Iterator[None]:
    if os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE"):
        yield
        return
    from .db import local  # noqa: PLC0415 - what it needs is not in the image

    try:
        with local.running(LOCAL / "postgres") as server:
            os.environ["DATABASE_URL"] = server.dsn
            yield
    except LocalPostgresError as error:
        raise CommandError(str(error)) from None


def _print_tour(settings: Settings) -> None:
    if settings.secret is None:
        return  # the issuer of JWKS_URL makes the tokens
    address = f"http://{settings.host}:{settings.port}"
    token = sign(settings.secret, "alice", ttl=24 * 3600)
    read_them = f"curl -s {address}/api/v1/users/alice/tasks -H 'Authorization: Bearer {token}'"
    make_one = f"""{read_them} -H 'Content-Type: application/json' -d '{{"title": "Buy milk"}}'"""
    print(
        f"\nAlice's first task:\n\n{make_one}\n\nher list:\n\n{read_them}\n\nall of it, to read and try:\n\n{address}/docs\n",
        flush=True,
    )


def _migrate(options: argparse.Namespace) -> None:
    from .db import migrations  # noqa: PLC0415 - brings a second driver, which `serve` does without

    settings = read(DatabaseSettings)
    configure(read(LogSettings))
    url = (settings.direct_url or settings.database_url).get_secret_value()
    if options.status:
        for status in asyncio.run(migrations.status(url)):
            when = f"{status.applied_at:%Y-%m-%d %H:%M:%SZ}" if status.applied_at else "pending"
            notes = " edited since it was applied" * status.changed + " unknown to this build" * (not status.known)
            print(f"{status.id:40} {when}{notes}")
    elif options.rollback:
        for name in asyncio.run(migrations.rollback(url, options.rollback)):
            print(f"rolled back {name}")
    else:
        for name in asyncio.run(migrations.migrate(url, contract=not options.expand)) or ["nothing: the schema is up to date"]:
            print(f"applied {name}")
        if options.grant:
            for grant in asyncio.run(_grant(settings, url, options.grant)):
                print(grant)


async def _grant(settings: DatabaseSettings, url: str, role: str) -> tuple[str, ...]:
    """Grant the role what `check --grants` prints, all or nothing. Nothing is revoked: an older version may still run."""
    direct = settings.model_copy(update={"database_url": SecretStr(url)})
    report = await _report(direct, role)
    if report.faults:
        raise CommandError(f"Nothing was granted: {len(report.faults)} faults in the statements. Run `python -m service check`.")
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
    """0 when all is proven, 1 with faults, 2 when nothing is known because the check could not be carried out."""
    from .check import CheckError  # noqa: PLC0415 - only this command needs it

    try:
        with _scratch_database():
            report = asyncio.run(_report(read(DatabaseSettings), options.grants or ""))
    except (CheckError, CommandError, SettingsError, schema.MigrationError, *FAULTS) as error:
        print(f"task-service: the check could not be carried out: {str(error) or type(error).__name__}", file=sys.stderr)
        return 2
    if options.grants and not report.faults:
        print("\n".join(report.grants))
    else:
        print({"table": report.text, "json": report.json, "markdown": report.markdown}[options.format]())
    return 1 if report.faults else 0


async def _report(settings: DatabaseSettings, role: str) -> "Report":
    from .check import check  # noqa: PLC0415 - see _check
    from .resources import tasks  # noqa: PLC0415

    async with Pool(settings) as pool, pool.connection(settings.db_acquire_timeout) as connection:
        return await check(connection, load(SQL), answers=tasks.ANSWERS, role=role)


@contextlib.contextmanager
def _scratch_database() -> Iterator[None]:
    """The database of the environment, which stays as it is, or one of our own, migrated and thrown away."""
    if os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE"):
        yield
        return
    from .db import local, migrations  # noqa: PLC0415 - what they need is not in the image, or not for `serve`

    try:
        with tempfile.TemporaryDirectory() as folder, local.running(Path(folder) / "pg", {"fsync": "off"}) as server:
            asyncio.run(migrations.migrate(server.dsn))
            os.environ["DATABASE_URL"] = server.dsn
            try:
                yield
            finally:
                del os.environ["DATABASE_URL"]
    except LocalPostgresError as error:
        raise CommandError(str(error)) from None


def _token(options: argparse.Namespace) -> None:
    secret = read(TokenSettings).secret
    if secret is None:
        raise CommandError("with JWKS_URL only the issuer can make tokens: it has the private key")
    print(sign(secret, options.user, ttl=options.ttl, email=options.email))


def _openapi(_: argparse.Namespace) -> None:
    from .app import openapi  # noqa: PLC0415 - the other commands start sooner without the application

    print(msgspec.json.format(openapi(), indent=2).decode())


if __name__ == "__main__":
    sys.exit(main())
