"""The settings of the service, with their rules and defaults. `environment` reads them."""

import json
import re
from ipaddress import ip_address, ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from .database_url import parse
from .origins import origin

Secret = Annotated[SecretStr, Field(min_length=32)]
Quota = Annotated[int, Field(ge=1, lt=10**15)] | None
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")
PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
"""A path prefix under which a service can be published."""
_QUOTA = re.compile(r"[1-9][0-9]{0,14}", re.ASCII)
_RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour)", re.ASCII)


class SettingsError(Exception):
    """The settings have faults. The message has a line for each, by variable and without values."""


def _listed(value: object) -> object:
    """Return a list from the environment: JSON, or separated by commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return tuple(json.loads(value))
        except ValueError:
            raise ValueError(
                "must be a JSON list of strings, or such strings with commas between"
            ) from None
    return tuple(filter(None, (item.strip() for item in value.split(","))))


def _secrets(value: object) -> object:
    """Return one secret, or several from JSON: a comma may be part of one."""
    if not isinstance(value, str):
        return value
    return _listed(value) if value.lstrip().startswith("[") else (value,)


Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class _Base(BaseModel):
    # Defaults as well: what one setting may be depends on others.
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, validate_default=True)


class DatabaseSettings(_Base):
    """The database, and the timeouts for it (in seconds)."""

    database_url: SecretStr
    """PostgreSQL, `postgresql://…`: [parameters](ops/README.md#the-databases-url). Required."""
    direct_url: SecretStr | None = None
    """The server's own address, for migrations, if DATABASE_URL leads through a pooler."""
    db_pool_min: Annotated[int, Field(ge=0, le=1000)] = 1
    """Connections that each worker opens at the start."""
    db_pool_max: Annotated[int, Field(ge=1, le=1000)] = 4
    """Connections that each worker may open: [Sizing](ops/README.md#sizing)."""
    db_queue_max: Annotated[int, Field(ge=0, le=100_000)] = 256
    """Requests that may wait for a connection in each worker. One more, and the newest of the user
    with the most gets 503."""
    db_acquire_timeout: Seconds = 5.0
    """Seconds to wait for a connection."""
    db_statement_timeout: Seconds = 5.0
    """Seconds that a statement may take."""

    @field_validator("database_url", "direct_url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse(value.get_secret_value())
        return value

    @field_validator("db_pool_max")
    @classmethod
    def _pool_fits(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("db_pool_min", 0):
            raise ValueError("must not be below DB_POOL_MIN")
        return value


class TokenSettings(_Base):
    """The settings for verifying bearer tokens."""

    jwks_allow_http: bool = False
    """`true` allows `http://` for any host in JWKS_URL. Only in a private network: the host that
    answers can sign tokens."""
    jwks_url: str | None = None
    """The issuer's key set: `https://…`; `http://` for this machine only, or with
    JWKS_ALLOW_HTTP."""
    better_auth_secret: Secret | None = None
    """The HS256 secret of the tokens, at least 32 characters. Set this, JWT_SECRET or JWKS_URL."""
    jwt_secret: Secret | None = None
    """The same, under its usual name."""
    jwt_issuer: str | None = None
    """The exact `iss` of valid tokens. Without it any is accepted."""
    jwt_audience: Texts = ()
    """The accepted `aud`: a JSON list, or separated by commas. Without it a token with an `aud` is
    refused."""

    @field_validator("jwks_url")
    @classmethod
    def _is_key_set_url(cls, value: str | None, info: ValidationInfo) -> str | None:
        # An attacker who can change the response can sign tokens. So: TLS, this machine, or a
        # network that the operator trusts.
        anywhere = info.data.get("jwks_allow_http", False)
        if value is not None and not _is_private_or_local(value, anywhere=anywhere):
            raise ValueError(
                "must be an https:// URL without a password (http:// for this machine's own"
                " addresses only, or with JWKS_ALLOW_HTTP=true)"
            )
        return value

    @field_validator("jwt_secret")
    @classmethod
    def _one_source_of_keys(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        # A faulty one is not in the data, and is reported already. Never a secret and a key set
        # together: anyone could sign if a public key were used as an HS256 secret.
        others = [info.data.get(name, ...) for name in ("jwks_url", "better_auth_secret")]
        if ... not in others and [value, *others].count(None) != 2:
            raise ValueError(
                "set one of BETTER_AUTH_SECRET, JWT_SECRET (32 characters at least) and JWKS_URL,"
                " and only one"
            )
        return value

    @property
    def secret(self) -> str | None:
        """Return the HS256 key; None if a key set is used."""
        secret = self.better_auth_secret or self.jwt_secret
        return None if secret is None else secret.get_secret_value()


class LogSettings(_Base):
    """The level and the format of the log."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """`debug`, `info`, `warning` or `error`."""
    log_format: Literal["json", "text"] = "json"
    """`json`, one object a line, or `text`, for people; `dev` takes `text`."""
    slow_statement: Seconds = 0.5
    """Seconds, the wait for a connection included, from which a statement is logged as slow."""

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value


class Settings(DatabaseSettings, TokenSettings, LogSettings):
    """All settings of `serve`."""

    cors_origins: Texts = ("http://localhost:3000",)
    """Origins whose pages may call: a JSON list, or commas between. `*` is refused."""
    host: str = "127.0.0.1"
    """The address to listen on; `0.0.0.0` in the image. `::` is every address, IPv4 too."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """The port to listen on."""
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Worker processes: as many as cores."""
    probe_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """A port on HOST for the platform's probes, `/livez` and `/readyz`, which answers even if PORT
    is overloaded; 9465 in the image."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """A port on HOST for Prometheus, with the metrics of all workers; off if not set."""
    request_timeout: Seconds = 15.0
    """Seconds that a request may take."""
    drain_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 5.0
    """Seconds to keep serving after SIGTERM, no longer ready; 0 with `dev`."""
    cursor_secret: Annotated[tuple[Secret, ...], BeforeValidator(_secrets)] = ()
    """Signs cursors and sync tokens: a secret, or a JSON list of which the first signs and all
    verify. The same in all replicas. Required beside JWKS_URL; without it the HS256 secret signs.
    """
    allowed_hosts: Texts = ()
    """Accepted hosts, without ports: a JSON list, or separated by commas. Others get 421; probes
    always pass. Empty: all."""
    trusted_proxies: Texts = ()
    """Addresses or networks of proxies, whose `X-Forwarded-For`, `X-Forwarded-Proto` and
    `X-Forwarded-Prefix` count."""
    root_path: str = ""
    """The path prefix under which a proxy publishes the service, and which it strips, such as
    `/todo`; all links begin with it."""
    max_in_flight: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Requests at once in each worker; one owner may have a quarter of them."""
    max_streams: Annotated[int, Field(ge=0, le=100_000)] = 400
    """Streams of changes at once in each worker, half of its connections at most; one owner may
    have 8 of them."""
    stream_poll_seconds: Seconds | None = 1.0
    """Seconds between two polls for changes by other workers and replicas, for each owner with a
    stream, or `off`: [Streams](ops/README.md#streams)."""
    rate_limit_per_owner: str = "off"
    """Requests an owner in each worker: `100/second`, `600/minute`, `5000/hour`, or `off`."""
    rate_limit_per_client: str = "off"
    """Requests a client's network in each worker, in the same form."""
    quota_tasks: Quota = None
    """Tasks that each owner may have, such as `10000`, or `off`; the same in all replicas."""
    quota_bytes: Quota = None
    """Bytes of text that each owner may store, such as `20000000`, or `off`; the same in all
    replicas."""

    @field_validator("cursor_secret")
    @classmethod
    def _cursors_have_a_secret(
        cls, value: tuple[SecretStr, ...], info: ValidationInfo
    ) -> tuple[SecretStr, ...]:
        if not value and info.data.get("jwks_url") is not None:
            raise ValueError(
                "must be set beside JWKS_URL: 32 characters at least, the same in all replicas"
            )
        return value

    @field_validator("host")
    @classmethod
    def _without_brackets(cls, value: str) -> str:
        return value.removeprefix("[").removesuffix("]")

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        normal = []
        for number, text in enumerate(origins, start=1):
            try:
                normal.append(origin(text))
            except ValueError as error:
                raise ValueError(f"number {number} {error}") from None
        return tuple(normal)

    @field_validator("allowed_hosts")
    @classmethod
    def _are_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for number, host in enumerate(hosts, start=1):
            if not _HOST.fullmatch(host):
                raise ValueError(
                    f"number {number} is not the name or address of a host; write it without scheme"
                    " and port"
                )
        return hosts

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for number, network in enumerate(networks, start=1):
            try:
                ip_network(network)
            except ValueError:
                raise ValueError(
                    f"number {number} is not an address or network such as 10.0.0.0/8"
                ) from None
        return networks

    @field_validator("root_path")
    @classmethod
    def _is_prefix(cls, value: str) -> str:
        if value.strip("/") and not PREFIX.fullmatch(value.rstrip("/")):
            raise ValueError("must be a path such as /todo: letters, digits and `-._~`")
        return value.rstrip("/")

    @field_validator("quota_tasks", "quota_bytes", mode="before")
    @classmethod
    def _is_quota(cls, value: object) -> object:
        if isinstance(value, str) and value != "off" and not _QUOTA.fullmatch(value):
            raise ValueError("must be `off`, or a whole number, 1 to 999999999999999")
        return None if value == "off" else value

    @field_validator("stream_poll_seconds", mode="before")
    @classmethod
    def _is_off(cls, value: object) -> object:
        return None if value == "off" else value

    @field_validator("rate_limit_per_owner", "rate_limit_per_client")
    @classmethod
    def _is_rate(cls, value: str) -> str:
        if value != "off" and not _RATE.fullmatch(value):
            raise ValueError(
                "must be `off`, or requests in a time: 100/second, 600/minute, 5000/hour"
            )
        return value

    @property
    def cursor_secrets(self) -> tuple[str, ...]:
        """Return the secrets of cursors and sync tokens: the first signs, all verify."""
        given = tuple(secret.get_secret_value() for secret in self.cursor_secret)
        return given or (self.secret or "",)


def _is_private_or_local(url: str, *, anywhere: bool) -> bool:
    """Return whether a URL is safe from tampering: TLS, or this machine. `anywhere`: other hosts
    count without TLS.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError when it is no number
    except ValueError:
        return False
    if not parts.hostname or "@" in parts.netloc or parts.fragment:
        return False
    return parts.scheme == "https" or (
        parts.scheme == "http" and (anywhere or _is_loopback(parts.hostname))
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
