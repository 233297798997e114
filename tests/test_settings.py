"""The environment as settings: every variable, its limits, and its error messages."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from service.environment import read
from service.settings import DatabaseSettings, LogSettings, Settings, SettingsError, TokenSettings

URL = "postgresql://alice:hunter2@host/tasks"
SECRET = "s3cr3t" * 6
NEEDED = {"DATABASE_URL": URL, "JWT_SECRET": SECRET}


@pytest.fixture(autouse=True)
def _only_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's environment counts."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)


def put(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)


def plain(settings: Settings, name: str) -> Any:
    value = getattr(settings, name)
    if isinstance(value, tuple):
        return tuple(shown(item) for item in value)
    return shown(value)


def shown(value: Any) -> Any:
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def test_every_setting_is_tested() -> None:
    """No setting is without a test: the tables below name all there are."""
    assert (
        set(Settings.model_fields)
        == set(DEFAULTS) | {"database_url"}
        == {variable.lower() for variable, _, _ in TAKEN}
    )


DEFAULTS: dict[str, object] = {
    "direct_url": None,
    "db_pool_min": 1,
    "db_pool_max": 4,
    "db_queue_max": 256,
    "db_acquire_timeout": 5.0,
    "db_statement_timeout": 5.0,
    "jwks_allow_http": False,
    "jwks_url": None,
    "better_auth_secret": None,
    "jwt_secret": SECRET,
    "jwt_issuer": None,
    "jwt_audience": (),
    "log_level": "info",
    "log_format": "json",
    "slow_statement": 0.5,
    "cors_origins": ("http://localhost:3000",),
    "host": "127.0.0.1",
    "port": 8000,
    "workers": 1,
    "probe_port": None,
    "metrics_port": None,
    "request_timeout": 15.0,
    "drain_seconds": 5.0,
    "cursor_secret": (),
    "allowed_hosts": (),
    "trusted_proxies": (),
    "root_path": "",
    "max_in_flight": 256,
    "max_streams": 400,
    "stream_poll_seconds": 1.0,
    "rate_limit_per_owner": "off",
    "rate_limit_per_client": "off",
    "quota_tasks": None,
    "quota_bytes": None,
}


def test_database_and_secret_are_the_only_required_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A database and a secret are enough: all else has defaults. An empty variable counts as
    unset.
    """
    put(monkeypatch, NEEDED | {name.upper(): "" for name in DEFAULTS if name != "jwt_secret"})
    settings = read(Settings)
    assert {name: plain(settings, name) for name in DEFAULTS} == DEFAULTS


TAKEN: list[tuple[str, str, object]] = [
    ("DATABASE_URL", "postgres://a@b/c", "postgres://a@b/c"),
    ("DATABASE_URL", "postgresql://a@b/c?sslmode=require", "postgresql://a@b/c?sslmode=require"),
    ("DIRECT_URL", "postgresql://direct/c", "postgresql://direct/c"),
    *(
        ("JWKS_URL", url, url)
        for url in (
            "https://a.example/api/auth/jwks",
            "http://localhost:3000/k",
            "http://[::1]/",
            "http://127.0.0.9/",
        )
    ),
    ("BETTER_AUTH_SECRET", "b" * 32, "b" * 32),
    ("JWT_SECRET", "é" * 32, "é" * 32),
    ("JWT_ISSUER", "https://issuer.example", "https://issuer.example"),
    ("JWT_AUDIENCE", "tasks", ("tasks",)),
    ("JWT_AUDIENCE", "tasks, https://api.example/", ("tasks", "https://api.example/")),
    ("JWT_AUDIENCE", '["a,b"]', ("a,b",)),
    ("JWKS_ALLOW_HTTP", "true", True),
    ("JWKS_ALLOW_HTTP", "false", False),
    ("CORS_ORIGINS", "https://a.example", ("https://a.example",)),
    (
        "CORS_ORIGINS",
        " https://a.example , http://b.example:8080, ",
        ("https://a.example", "http://b.example:8080"),
    ),
    (
        "CORS_ORIGINS",
        ' ["https://a.example", "http://[::1]:3000"]',
        ("https://a.example", "http://[::1]:3000"),
    ),
    ("CORS_ORIGINS", "[]", ()),
    ("HOST", "0.0.0.0", "0.0.0.0"),
    ("HOST", "[::]", "::"),
    ("PORT", "0", 0),
    ("PORT", "65535", 65535),
    ("WORKERS", "256", 256),
    ("PROBE_PORT", "0", 0),
    ("METRICS_PORT", "0", 0),
    ("METRICS_PORT", "65535", 65535),
    ("LOG_LEVEL", "WARNING", "warning"),
    ("LOG_LEVEL", "debug", "debug"),
    ("LOG_FORMAT", "Text", "text"),
    ("SLOW_STATEMENT", "0.05", 0.05),
    ("DB_POOL_MIN", "0", 0),
    ("DB_POOL_MIN", "4", 4),
    ("DB_POOL_MAX", "1", 1),
    ("DB_POOL_MAX", "1000", 1000),
    ("DB_QUEUE_MAX", "0", 0),
    ("DB_ACQUIRE_TIMEOUT", "0.5", 0.5),
    ("DB_STATEMENT_TIMEOUT", "3600", 3600.0),
    ("REQUEST_TIMEOUT", "1", 1.0),
    ("DRAIN_SECONDS", "0", 0.0),
    ("CURSOR_SECRET", SECRET, (SECRET,)),
    ("CURSOR_SECRET", json.dumps([SECRET, SECRET[::-1]]), (SECRET, SECRET[::-1])),
    ("MAX_STREAMS", "0", 0),
    ("MAX_STREAMS", "100000", 100_000),
    ("STREAM_POLL_SECONDS", "off", None),
    ("STREAM_POLL_SECONDS", "0.5", 0.5),
    ("ALLOWED_HOSTS", "api.example, 10.0.0.1,[::1]", ("api.example", "10.0.0.1", "[::1]")),
    ("ROOT_PATH", "/todo", "/todo"),
    ("ROOT_PATH", "/apps/to.do_1/", "/apps/to.do_1"),
    ("ROOT_PATH", "/", ""),
    ("TRUSTED_PROXIES", "10.0.0.0/8, ::1", ("10.0.0.0/8", "::1")),
    ("MAX_IN_FLIGHT", "1", 1),
    ("RATE_LIMIT_PER_OWNER", "600/minute", "600/minute"),
    ("RATE_LIMIT_PER_CLIENT", "5/second", "5/second"),
    ("QUOTA_TASKS", "10000", 10000),
    ("QUOTA_TASKS", "off", None),
    ("QUOTA_BYTES", "1000000000", 1_000_000_000),
]


@pytest.mark.parametrize(("variable", "value", "expected"), TAKEN)
def test_each_variable_is_read_up_to_its_limits(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: object
) -> None:
    """Each variable arrives under its name, up to its limits and in every spelling that is
    allowed.
    """
    needed = (
        {"CURSOR_SECRET": SECRET}
        if variable in ("BETTER_AUTH_SECRET", "JWKS_URL")
        else {"JWT_SECRET": SECRET}
    )
    put(monkeypatch, {"DATABASE_URL": URL} | needed | {variable: value})
    assert plain(read(Settings), variable.lower()) == expected


NO_CURSORS = "must be set beside JWKS_URL: 32 characters at least, the same in all replicas"
ONE_SOURCE = (
    "set one of BETTER_AUTH_SECRET, JWT_SECRET (32 characters at least) and JWKS_URL, and only one"
)
NOT_KEY_SET = (
    "must be an https:// URL without a password (http:// for this machine's own addresses only, or"
    " with JWKS_ALLOW_HTTP=true)"
)
PATH = "must be a path such as /todo: letters, digits and `-._~`"
QUOTA = "must be `off`, or a whole number, 1 to 999999999999999"
RATE = "must be `off`, or requests in a time: 100/second, 600/minute, 5000/hour"
NOT_URL = "must be a postgresql:// URL"
SHORT = "must have 32 characters at least"
STAR = "`*`, which is refused: answers carry credentials, so origins are listed one by one"
ORIGIN = "is not an origin; write scheme://host or scheme://host:port, nothing after"


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        ("DATABASE_URL", "", "must be set"),
        ("DATABASE_URL", "mysql://alice:hunter2@host/tasks", NOT_URL),
        ("DATABASE_URL", "hunter2", NOT_URL),
        (
            "DATABASE_URL",
            "postgresql://alice:hunter2@host/tasks?pool_timeout=1",
            "has the parameter pool_timeout, which is not known here or cannot be honoured",
        ),
        ("DIRECT_URL", "postgresql+psycopg://alice:hunter2@host/tasks", NOT_URL),
        ("JWT_SECRET", "", ONE_SOURCE),
        ("JWT_SECRET", "hunter2" * 4 + "abc", SHORT),
        ("CORS_ORIGINS", "*", f"number 1 is {STAR}"),
        ("CORS_ORIGINS", '["http://a.example", "*"]', f"number 2 is {STAR}"),
        (
            "CORS_ORIGINS",
            '["http://a.example"',
            "must be a JSON list of strings, or such strings with commas between",
        ),
        ("CORS_ORIGINS", "http://a.example/", f"number 1 {ORIGIN}"),
        ("CORS_ORIGINS", "http://a.example,b.example", f"number 2 {ORIGIN}"),
        ("CORS_ORIGINS", "http://a.example/path", f"number 1 {ORIGIN}"),
        (
            "CORS_ORIGINS",
            "ftp://a.example",
            "number 1 is not an origin: nothing that ftp: names has one",
        ),
        (
            "CORS_ORIGINS",
            "https://*.example",
            "number 1 has a `*`, which stands for nothing here: list the origins one by one",
        ),
        ("CORS_ORIGINS", "http://", f"number 1 {ORIGIN}"),
        ("CORS_ORIGINS", "http://a.example:port", f"number 1 {ORIGIN}"),
        ("CORS_ORIGINS", "http://a.example:70000", f"number 1 {ORIGIN}"),
        ("CORS_ORIGINS", "http://[::1", f"number 1 {ORIGIN}"),
        ("CORS_ORIGINS", "null", f"number 1 {ORIGIN}"),
        ("CORS_ORIGINS", "[1]", "Input should be a valid string"),
        ("PORT", "-1", "Input should be greater than or equal to 0"),
        ("PORT", "65536", "Input should be less than or equal to 65535"),
        (
            "PORT",
            "hunter2",
            "Input should be a valid integer, unable to parse string as an integer",
        ),
        ("WORKERS", "0", "Input should be greater than or equal to 1"),
        ("WORKERS", "257", "Input should be less than or equal to 256"),
        ("LOG_LEVEL", "hunter2", "Input should be 'debug', 'info', 'warning' or 'error'"),
        ("LOG_FORMAT", "xml", "Input should be 'json' or 'text'"),
        ("METRICS_PORT", "65536", "Input should be less than or equal to 65535"),
        ("SLOW_STATEMENT", "0", "Input should be greater than 0"),
        ("DB_POOL_MIN", "-1", "Input should be greater than or equal to 0"),
        ("DB_POOL_MAX", "0", "Input should be greater than or equal to 1"),
        ("DB_POOL_MAX", "1001", "Input should be less than or equal to 1000"),
        ("DB_QUEUE_MAX", "-1", "Input should be greater than or equal to 0"),
        ("DB_POOL_MIN", "5", "DB_POOL_MAX: must not be below DB_POOL_MIN"),
        ("DB_ACQUIRE_TIMEOUT", "0", "Input should be greater than 0"),
        ("DB_ACQUIRE_TIMEOUT", "inf", "Input should be a finite number"),
        ("DB_STATEMENT_TIMEOUT", "3601", "Input should be less than or equal to 3600"),
        ("DB_STATEMENT_TIMEOUT", "nan", "Input should be a finite number"),
        (
            "JWKS_URL",
            "https://a.example/jwks",
            f"JWT_SECRET: {ONE_SOURCE}\nCURSOR_SECRET: {NO_CURSORS}",
        ),
        ("JWKS_URL", "http://a.example/jwks", NOT_KEY_SET),
        ("JWKS_URL", "http://127.0.0.1.a.example/jwks", NOT_KEY_SET),
        ("JWKS_URL", "http://169.254.169.254/", NOT_KEY_SET),
        ("JWKS_URL", "https://alice:hunter2@a.example/jwks", NOT_KEY_SET),
        ("JWKS_URL", "https:///jwks", NOT_KEY_SET),
        ("JWKS_URL", "https://a.example:port/jwks", NOT_KEY_SET),
        ("JWKS_URL", "https://a.example/jwks#a", NOT_KEY_SET),
        ("JWKS_URL", "file:///etc/passwd", NOT_KEY_SET),
        (
            "ALLOWED_HOSTS",
            "a.example,https://b.example",
            "number 2 is not the name or address of a host; write it without scheme and port",
        ),
        *(
            ("ROOT_PATH", path, PATH)
            for path in ("todo", "//a", "/a b", "https://a.example", "/a?")
        ),
        (
            "TRUSTED_PROXIES",
            "10.0.0.0/8,hunter2",
            "number 2 is not an address or network such as 10.0.0.0/8",
        ),
        ("MAX_IN_FLIGHT", "0", "Input should be greater than or equal to 1"),
        ("MAX_STREAMS", "-1", "Input should be greater than or equal to 0"),
        ("STREAM_POLL_SECONDS", "0", "Input should be greater than 0"),
        (
            "STREAM_POLL_SECONDS",
            "x",
            "Input should be a valid number, unable to parse string as a number",
        ),
        ("RATE_LIMIT_PER_OWNER", "0/second", RATE),
        ("RATE_LIMIT_PER_OWNER", "hunter2", RATE),
        ("RATE_LIMIT_PER_CLIENT", "5/day", RATE),
        ("DRAIN_SECONDS", "-1", "Input should be greater than or equal to 0"),
        ("QUOTA_TASKS", "0", QUOTA),
        ("QUOTA_TASKS", "-5", QUOTA),
        ("QUOTA_BYTES", "hunter2", QUOTA),
        ("QUOTA_BYTES", "10MB", QUOTA),
        ("QUOTA_BYTES", "1" + "0" * 15, QUOTA),
        (
            "REQUEST_TIMEOUT",
            "soon",
            "Input should be a valid number, unable to parse string as a number",
        ),
    ],
)
def test_a_fault_names_the_variable_and_not_its_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, fault: str
) -> None:
    """A value beyond its limits is one line: the variable and the rule; the value stays out, it may
    be a secret.
    """
    put(monkeypatch, NEEDED | {variable: value})
    with pytest.raises(SettingsError) as raised:
        read(Settings)
    elsewhere = fault.startswith(("DB_POOL_MAX:", "JWT_SECRET:"))
    assert str(raised.value) == (fault if elsewhere else f"{variable}: {fault}")
    assert "hunter2" not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_two_names_of_the_secret_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """BETTER_AUTH_SECRET and JWT_SECRET are two names of one thing; both together are refused,
    either alone is the key.
    """
    put(monkeypatch, {"BETTER_AUTH_SECRET": "b" * 32})
    assert read(TokenSettings).secret == "b" * 32
    monkeypatch.setenv("JWT_SECRET", SECRET)
    with pytest.raises(
        SettingsError, match=r"^JWT_SECRET: set one of BETTER_AUTH_SECRET, JWT_SECRET"
    ):
        read(TokenSettings)
    monkeypatch.delenv("BETTER_AUTH_SECRET")
    assert read(TokenSettings).secret == SECRET


def test_a_short_secret_is_one_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A BETTER_AUTH_SECRET that is too short is one fault, not a missing JWT_SECRET as well."""
    put(monkeypatch, {"BETTER_AUTH_SECRET": "b" * 31})
    with pytest.raises(SettingsError) as raised:
        read(TokenSettings)
    assert str(raised.value) == f"BETTER_AUTH_SECRET: {SHORT}"


def test_all_faults_of_the_settings_are_one_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Missing, wrong and unreadable together are one message with a line each."""
    put(
        monkeypatch,
        {
            "PORT": "x",
            "LOG_LEVEL": "loud",
            "CORS_ORIGINS": "*",
            "DIRECT_URL_FILE": str(tmp_path / "absent"),
        },
    )
    with pytest.raises(SettingsError) as raised:
        read(Settings)
    lines = str(raised.value).split("\n")
    variables = [line.partition(": ")[0] for line in lines]
    assert sorted(variables) == [
        "CORS_ORIGINS",
        "DATABASE_URL",
        "DIRECT_URL",
        "JWT_SECRET",
        "LOG_LEVEL",
        "PORT",
    ]


@pytest.mark.parametrize(("variable", "value", "expected"), TAKEN)
def test_a_variable_can_come_as_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str, expected: object
) -> None:
    """NAME_FILE names a file with the value, as containers hand over secrets; newlines at its end
    don't count.
    """
    (tmp_path / "value").write_text(f"{value}\r\n", "utf-8", newline="")
    needed = (
        {"CURSOR_SECRET": SECRET}
        if variable in ("BETTER_AUTH_SECRET", "JWKS_URL")
        else {"JWT_SECRET": SECRET}
    )
    put(monkeypatch, {"DATABASE_URL": URL} | needed)
    monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(f"{variable}_FILE", str(tmp_path / "value"))
    assert plain(read(Settings), variable.lower()) == expected


def test_blanks_in_a_secrets_file_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only newlines at the end are the editor's; blanks are kept."""
    (tmp_path / "value").write_text(f" {SECRET} \n\n")
    monkeypatch.setenv("JWT_SECRET_FILE", str(tmp_path / "value"))
    assert read(TokenSettings).secret == f" {SECRET} "


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "the file of JWT_SECRET_FILE cannot be read: No such file or directory"),
        (b"hunter2\xff" * 8, "the file of JWT_SECRET_FILE is not UTF-8"),
        (b"hunter2\n", SHORT),
        (b"\n", "the file of JWT_SECRET_FILE is empty"),
    ],
)
def test_a_faulty_file_is_a_fault_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, fault: str
) -> None:
    """A file that is absent, not text or has a bad value is a fault of its variable; an empty one
    is no missing setting.
    """
    if content is not None:
        (tmp_path / "value").write_bytes(content)
    monkeypatch.setenv("JWT_SECRET_FILE", str(tmp_path / "value"))
    with pytest.raises(SettingsError) as raised:
        read(TokenSettings)
    assert str(raised.value) == f"JWT_SECRET: {fault}"


def test_a_variable_and_its_file_together_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """NAME and NAME_FILE together are refused; an empty NAME counts as unset."""
    (tmp_path / "value").write_text(SECRET)
    put(monkeypatch, {"JWT_SECRET": "x" * 32, "JWT_SECRET_FILE": str(tmp_path / "value")})
    with pytest.raises(SettingsError) as raised:
        read(TokenSettings)
    assert str(raised.value) == "JWT_SECRET: given twice, as JWT_SECRET and as JWT_SECRET_FILE"
    monkeypatch.setenv("JWT_SECRET", "")
    assert read(TokenSettings).secret == SECRET


def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither repr, str nor a dump shows a secret or a URL's password."""
    put(monkeypatch, NEEDED | {"DIRECT_URL": URL})
    settings = read(Settings)
    for shown in (
        repr(settings),
        str(settings),
        f"{settings.model_dump()}",
        settings.model_dump_json(),
    ):
        assert SECRET not in shown
        assert "hunter2" not in shown
        assert "********" in shown


def test_settings_are_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings cannot change after the start."""
    put(monkeypatch, NEEDED)
    settings = read(Settings)
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1
    assert settings.port == 8000


def test_a_command_needs_only_its_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log needs nothing, migrations no secret, tokens no database; another's fault is no reason
    to refuse.
    """
    monkeypatch.setenv("PORT", "x")
    assert read(LogSettings).log_level == "info"
    monkeypatch.setenv("DATABASE_URL", URL)
    assert read(DatabaseSettings).database_url.get_secret_value() == URL
    monkeypatch.setenv("JWT_SECRET", SECRET)
    assert read(TokenSettings).secret == SECRET
