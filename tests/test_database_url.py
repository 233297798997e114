"""Database URLs: providers' URLs work unchanged, unsupported parameters are refused by name."""

import re
import ssl
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from service.database_url import parse

NEON = "postgresql://alex:AbC123@ep-cool-sea-a1b2c3-pooler.eu-central-1.aws.neon.tech/tasks"


def mode(url: str) -> str:
    return parse(url).sslmode


@pytest.mark.parametrize(
    "suffix",
    ["", "?sslmode=require", "?sslmode=require&channel_binding=require", "?sslnegotiation=direct"],
)
def test_neons_url_connects_verified_by_name(suffix: str) -> None:
    """A URL pasted from Neon's console connects, verified by name against the system's
    authorities.
    """
    dsn = parse(NEON + suffix)
    arguments = dsn.for_asyncpg()
    assert arguments["host"] == ["ep-cool-sea-a1b2c3-pooler.eu-central-1.aws.neon.tech"]
    assert (arguments["user"], arguments["password"], arguments["database"]) == (
        "alex",
        "AbC123",
        "tasks",
    )
    assert arguments["server_settings"] == {}
    assert arguments["direct_tls"] is ("direct" in suffix)
    context = arguments["ssl"]
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert dsn.for_libpq()["sslmode"] == "verify-full"


def test_the_endpoint_option_reaches_the_server() -> None:
    """`options=endpoint%3D…`, for clients without SNI, is a startup parameter of both drivers."""
    dsn = parse(f"{NEON}?options=endpoint%3Dep-cool-sea-a1b2c3")
    assert dsn.for_asyncpg()["server_settings"] == {"options": "endpoint=ep-cool-sea-a1b2c3"}
    assert dsn.for_libpq()["options"] == "endpoint=ep-cool-sea-a1b2c3"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://h/d", "verify-full"),
        ("postgresql://h/d?sslmode=require", "verify-full"),
        ("postgresql://h/d?sslmode=verify-full", "verify-full"),
        *((f"postgresql://h/d?sslmode={mode}", mode) for mode in ("prefer", "allow", "disable")),
        *(
            (f"postgresql://{host}/d", "disable")
            for host in ("localhost", "127.0.0.1", "127.8.8.8", "[::1]", "%2Frun%2Fpg")
        ),
        ("postgresql:///d?host=/run/pg", "disable"),
        ("postgresql://localhost,h/d", "verify-full"),
        ("postgresql://localhost.example/d", "verify-full"),
        ("postgresql://localhost/d?sslmode=require", "verify-full"),
        ("postgresql://localhost/d?channel_binding=require", "verify-full"),
        ("postgresql://localhost/d?sslrootcert=system", "verify-full"),
    ],
)
def test_the_server_is_verified_over_a_network(url: str, expected: str) -> None:
    """Over a network the server is verified unless the URL says otherwise; on this machine only
    where the URL asks for it.
    """
    assert mode(url) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("u:p@h/d", {"user": "u", "password": "p", "host": "h", "dbname": "d"}),
        (
            "a%40b:p%2Bq+r@h:5433/d%20b",
            {"user": "a@b", "password": "p+q+r", "host": "h", "port": "5433", "dbname": "d b"},
        ),
        ("h1:1,h2,[::1]:3/d", {"host": "h1,h2,::1", "port": "1,,3", "dbname": "d"}),
        ("h", {"host": "h"}),
        (
            "/d?host=/run/pg&port=6&user=u",
            {"host": "/run/pg", "port": "6", "user": "u", "dbname": "d"},
        ),
        (
            "h/d?application_name=x%20y&connect_timeout=3",
            {"host": "h", "dbname": "d", "application_name": "x y", "connect_timeout": "3"},
        ),
    ],
)
def test_a_url_means_what_it_means_to_libpq(address: str, expected: dict[str, str]) -> None:
    """Escapes, lists of hosts and parameters mean what they mean to libpq."""
    assert dict(parse(f"postgresql://{address}").parameters) == expected
    assert conninfo_to_dict(f"postgresql://{address}") == expected


def test_ports_belong_to_hosts_as_in_libpq() -> None:
    """One port is for all hosts, several are for one each, and a missing one is 5432."""
    assert parse("postgresql://h1:1,h2,[::1]:3/d").ports == (1, 5432, 3)
    assert parse("postgresql:///d?host=h1,h2&port=7").ports == (7, 7)


def test_asyncpgs_arguments_are_derived() -> None:
    """Connect timeout, kind of server and prepared statements become arguments of the driver, not
    settings of the server.
    """
    url = "postgresql://h/d?connect_timeout=7&target_session_attrs=read-write&statement_cache_size=5&passfile=/x"
    arguments = parse(url).for_asyncpg()
    assert (arguments["timeout"], arguments["target_session_attrs"], arguments["passfile"]) == (
        7,
        "read-write",
        "/x",
    )
    assert arguments["server_settings"] == {}
    assert parse(url).statement_cache_size == 5
    assert parse("postgresql://h/d?pgbouncer=true").statement_cache_size == 0
    assert parse("postgresql://h/d?pgbouncer=false").statement_cache_size is None
    assert "timeout" not in parse("postgresql://h/d?connect_timeout=0").for_asyncpg()


def test_libpqs_parameters_are_derived() -> None:
    """The other driver gets parameters that it knows, and a file of authorities: it does not know
    where the system keeps them.
    """
    parameters = parse(
        f"{NEON}?sslmode=require&channel_binding=require&pgbouncer=true&statement_cache_size=0"
    ).for_libpq()
    assert make_conninfo(**parameters)
    assert parameters["channel_binding"] == "require"
    assert Path(parameters["sslrootcert"]).is_file()


ESCAPE = "has a `#` or `?` that is none of a URL's own: in a user or password write %23 or %3F"
UNKNOWN = "which is not known here or cannot be honoured"
PORTS = "has a port that is not one, or not one port for each host"


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("mysql://u:hunter2@h/d", "must be a postgresql:// URL"),
        ("postgresql://u:12/hunter2@h/d", "has a `/` in the user or password: write %2F"),
        ("postgresql://u:hunter2/12@h/d", "has a `/` in the user or password: write %2F"),
        ("postgresql:///d", "names no host (`host=` takes the folder of a Unix socket)"),
        ("postgresql://u:hun?ter2@h/d", ESCAPE),
        ("postgresql://u:hunter2#@h/d", ESCAPE),
        ("postgresql://u:hun/ter2@h/d", "has a `/` in the user or password: write %2F"),
        ("postgresql://u:hunter2%ff@h/d", "has an escape (%) that is not UTF-8"),
        ("postgresql://u:hunter2@[::1/d", "has a [ without its ]"),
        ("postgresql://u:hunter2@h:0/d", PORTS),
        ("postgresql://u:hunter2@h:65536/d", PORTS),
        ("postgresql://u:hunter2@h1,h2/d?port=1,2,3", PORTS),
        (
            "postgresql://u:hunter2@h/d?pool_timeout=15",
            f"has the parameter pool_timeout, {UNKNOWN}",
        ),
        (
            "postgresql://u:hunter2@h/d?requirepeer=30",
            f"has the parameter requirepeer, {UNKNOWN}",
        ),
        ("postgresql://u:hunter2@h/d?hunter", "has a parameter that is not written as name=value"),
        (
            "postgresql://u:hunter2@h/d?hunter2=",
            "has a parameter that is not written as name=value",
        ),
        ("postgresql://u:hunter2@h/d?gssencmode=require", "gssencmode can be disable, prefer"),
        (
            "postgresql://u@h/d?sslmode=hunter2",
            "sslmode can be verify-full, verify-ca, require, prefer, allow, disable",
        ),
        (
            "postgresql://u@h/d?connect_timeout=hunter2",
            "connect_timeout must be a number, 0 or more",
        ),
        (
            "postgresql://u@h/d?keepalives_idle=hunter2",
            "keepalives_idle must be a number, 0 or more",
        ),
        ("postgresql://u@h/d?keepalives=hunter2", "keepalives can be 0, 1"),
        (
            "postgresql://u@h/d?sslmode=prefer&sslrootcert=/hunter2",
            "sslrootcert needs sslmode=verify-full, or verify-ca",
        ),
        (
            "postgresql://u@h/d?sslmode=disable&sslnegotiation=direct",
            "sslnegotiation needs sslmode=verify-full, or verify-ca",
        ),
        (
            "postgresql://u@h/d?sslmode=prefer&channel_binding=require",
            "channel_binding=require needs sslmode=verify-full, or none at all",
        ),
        (
            "postgresql://u@h/d?sslmode=verify-ca",
            (
                "sslmode=verify-ca needs sslrootcert, a file: the system's authorities vouch for"
                " anybody's name"
            ),
        ),
        (
            "postgresql://u@h/d?sslrootcert=/hunter2",
            "the files of sslrootcert, sslcert or sslkey cannot be used: No such file or directory",
        ),
        (
            "postgresql://u:hunter2@h:x/d?schema=a&gssencmode=require",
            f"has the parameter schema, {UNKNOWN}; gssencmode can be disable, prefer; {PORTS}",
        ),
    ],
)
def test_all_faults_are_reported_by_parameter(url: str, fault: str) -> None:
    """All faults are reported at once, by parameter and without values, which may be passwords."""
    with pytest.raises(ValueError, match=f"^{re.escape(fault)}$"):
        parse(url)
    assert "hunter2" not in fault


def test_an_sslrootcert_without_certificate_is_refused_at_start(tmp_path: Path) -> None:
    """A file without certificate is reported at the start, not at the first connection."""
    (tmp_path / "ca.pem").write_text("hunter2")
    with pytest.raises(ValueError, match="sslrootcert, sslcert or sslkey cannot be used"):
        parse(f"postgresql://u@h/d?sslrootcert={tmp_path}/ca.pem")


def test_the_password_is_not_shown() -> None:
    """Neither repr nor str shows more of the URL than the address."""
    assert "AbC123" not in f"{parse(NEON)!r}{parse(NEON)}"
