"""Parse a database's URL, as providers give it, into the parameters of both drivers.

Each parameter is applied, or refused by name at the start. asyncpg by itself sends unknown ones to
the server, which then refuses the connection, and does not verify certificates with
`sslmode=require`. Here a connection over a network is verified unless the URL says otherwise.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote

from .database_tls import VERIFYING, context_of, mode_of, system_roots

PORT = 5432

# Parameters that both drivers support, or this module; a tuple lists the allowed values.
HONOURED: dict[str, tuple[str, ...] | None] = {
    "application_name": None,
    "channel_binding": ("require", "prefer", "disable"),
    "connect_timeout": None,
    "dbname": None,
    "host": None,
    "keepalives": ("0", "1"),
    "keepalives_count": None,
    "keepalives_idle": None,
    "keepalives_interval": None,
    "options": None,
    "passfile": None,
    "password": None,
    "pgbouncer": ("true", "false"),
    "port": None,
    "sslcert": None,
    "sslkey": None,
    "sslmode": (*VERIFYING, "prefer", "allow", "disable"),
    "sslnegotiation": ("postgres", "direct"),
    "sslpassword": None,
    "sslrootcert": None,
    "statement_cache_size": None,
    "target_session_attrs": (
        "any",
        "read-write",
        "read-only",
        "primary",
        "standby",
        "prefer-standby",
    ),
    "tcp_user_timeout": None,
    "user": None,
    # These are the drivers' behaviour anyway.
    "client_encoding": ("utf8", "UTF8", "utf-8", "UTF-8"),
    "gssencmode": ("disable", "prefer"),
    "sslcompression": ("0",),
    "sslsni": ("1",),
}
NUMBERS = (
    "connect_timeout",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "statement_cache_size",
    "tcp_user_timeout",
)
_NAME = re.compile(r"[A-Za-z_]{1,32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Dsn:
    """The address of a database, and the parameters of connections to it."""

    hosts: tuple[str, ...]
    """Host names, addresses, or folders of Unix sockets."""
    ports: tuple[int, ...]
    parameters: Mapping[str, str] = field(repr=False)
    sslmode: str
    tls: ssl.SSLContext | None = field(repr=False)
    """Verifies the server; None if the mode does not."""

    @property
    def statement_cache_size(self) -> int | None:
        """How many prepared statements a connection may cache; None if the URL does not say."""
        if self.parameters.get("pgbouncer") == "true":
            return 0  # as in other drivers: the pooler keeps none
        size = self.parameters.get("statement_cache_size")
        return None if size is None else int(size)

    def for_asyncpg(self) -> dict[str, Any]:
        """Return the arguments of `asyncpg.connect`, with application_name as a server setting."""
        given = self.parameters
        names = {
            "user": "user",
            "password": "password",
            "dbname": "database",
            "passfile": "passfile",
        }
        arguments: dict[str, Any] = {
            "host": list(self.hosts),
            "port": list(self.ports),
            "ssl": self.tls or self.sslmode,
            "direct_tls": given.get("sslnegotiation") == "direct",
            "server_settings": {
                name: given[name] for name in ("application_name", "options") if name in given
            },
            "target_session_attrs": given.get("target_session_attrs", "any"),
        }
        if int(given.get("connect_timeout", 0)):
            arguments["timeout"] = int(given["connect_timeout"])
        return arguments | {theirs: given[name] for name, theirs in names.items() if name in given}

    def for_libpq(self) -> dict[str, Any]:
        """Return libpq's connection parameters."""
        theirs = {
            name: value
            for name, value in self.parameters.items()
            if name not in ("pgbouncer", "statement_cache_size")
        }
        if self.tls and theirs.get("sslrootcert", "system") == "system":
            theirs["sslrootcert"] = system_roots()
        addresses = {"host": ",".join(self.hosts), "port": ",".join(map(str, self.ports))}
        return theirs | addresses | {"sslmode": self.sslmode}


@lru_cache(maxsize=8)
def parse(url: str) -> Dsn:
    """Parse a `postgresql://` URL. Raises ValueError with all its faults, by name and without
    values.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("must be a postgresql:// URL")
    address, _, query = url.partition("://")[2].partition("?")
    if "#" in url or ("@" not in address and "@" in query):
        raise ValueError(
            "has a `#` or `?` that is none of a URL's own: in a user or password write %23 or %3F"
        )
    if "@" in address.partition("/")[2]:
        # What looks like host and port is the beginning of user and password.
        raise ValueError("has a `/` in the user or password: write %2F")
    try:
        parameters = _address(address)
        given = [_pair(pair) for pair in query.split("&") if pair]
    except UnicodeDecodeError:
        raise ValueError("has an escape (%) that is not UTF-8") from None
    faults = [fault for name, value in given if (fault := _fault(name, value))]
    parameters |= given
    hosts = tuple(filter(None, parameters.get("host", "").split(",")))
    ports = parameters.get("port", "").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    if not hosts:
        faults.append("names no host (`host=` takes the folder of a Unix socket)")
    elif len(ports) != len(hosts) or not all(not port or _is_port(port) for port in ports):
        faults.append("has a port that is not one, or not one port for each host")
    mode, more = mode_of(parameters, local=all(map(_is_local, hosts)))
    faults += more
    tls = None
    if not faults and mode in VERIFYING:
        try:
            tls = context_of(mode, parameters)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            reason = (
                error.strerror
                if isinstance(error, OSError) and error.strerror
                else "not in PEM, or not each other's"
            )
            faults.append(f"the files of sslrootcert, sslcert or sslkey cannot be used: {reason}")
    if faults:
        raise ValueError("; ".join(faults))
    return Dsn(hosts, tuple(int(port or PORT) for port in ports), parameters, mode, tls)


def _address(address: str) -> dict[str, str]:
    """Return user, password, hosts, ports and database from the part before the parameters."""
    authority, _, database = address.partition("/")
    login, _, places = authority.rpartition("@")
    user, _, password = login.partition(":")
    split = [_host_and_port(place) for place in places.split(",")]
    found = {
        "user": user,
        "password": password,
        "host": ",".join(host for host, _ in split),
        "port": ",".join(port for _, port in split),
        "dbname": database,
    }
    return {
        name: unquote(value, errors="strict") for name, value in found.items() if value.strip(",")
    }


def _host_and_port(place: str) -> tuple[str, str]:
    if place.startswith("["):
        host, closed, rest = place[1:].partition("]")
        if not closed or rest[:1] not in ("", ":"):
            raise ValueError("has a [ without its ]")
        return host, rest[1:]
    host, _, port = place.partition(":")
    return host, port


def _pair(pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not equals:
        name = ""
    return unquote(name, errors="strict"), unquote(value, errors="strict")


def _fault(name: str, value: str) -> str:
    if not _NAME.fullmatch(name):  # it may be a piece of the password
        return "has a parameter that is not written as name=value"
    if name not in HONOURED:
        return f"has the parameter {name}, which is not known here or cannot be honoured"
    values = HONOURED[name]
    if values and value not in values:
        return f"{name} can be {', '.join(values)}"
    if name in NUMBERS and not re.fullmatch("[0-9]{1,6}", value, re.ASCII):
        return f"{name} must be a number, 0 or more"
    return ""


def _is_port(text: str) -> bool:
    return bool(re.fullmatch("[0-9]{1,5}", text, re.ASCII)) and 0 < int(text) < 65536


def _is_local(host: str) -> bool:
    """Return whether the host is this machine."""
    try:
        return host.startswith("/") or host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
