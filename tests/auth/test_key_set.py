"""Key sets: what is taken from them, when they are fetched, and what happens when they
cannot be.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from service.auth import key_set as module
from service.auth.jwk import MAX_KEYS, KeySetError, keys_in
from service.auth.key_set import COOL_DOWN, MAX_DOCUMENT_BYTES, STALE, UNKNOWN_FOR, KeysAway, KeySet
from service.auth.tokens import TokenError, Verifier
from service.settings import Settings, TokenSettings
from tests.conftest import SECRET, client_of, started

ED, ES, RS = (
    ed25519.Ed25519PrivateKey.generate(),
    ec.generate_private_key(ec.SECP256R1()),
    rsa.generate_private_key(65537, 2048),
)
NOW, EXPIRES = 1_767_225_600, 1_767_225_600 + 7 * 86400


def jwk(private: Any, **members: Any) -> dict[str, Any]:
    if isinstance(private, ed25519.Ed25519PrivateKey):
        public = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    elif isinstance(private, rsa.RSAPrivateKey):
        public = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    else:
        public = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    public.pop("key_ops", None)
    return {**public, **members}


def token(private: Any, kid: str | None, algorithm: str = "EdDSA", **header: Any) -> bytes:
    signer = jwt.PyJWS()
    if algorithm == "Ed25519":
        signer.register_algorithm("Ed25519", OKPAlgorithm())
    headers = {"kid": kid, **header} if kid is not None else header
    payload = json.dumps({"sub": "alice", "exp": EXPIRES}).encode()
    return signer.encode(payload, private, algorithm, headers).encode()


class Issuer:
    """Publishes keys on a port of its own, counts who asks, and fails in every way it is
    told to.
    """

    def __init__(self, *published: dict[str, Any]) -> None:
        self.published: list[dict[str, Any]] = list(published)
        self.asked = 0
        self.connected = 0
        self.answer: Callable[[asyncio.StreamWriter], Any] | None = None
        self.slow = 0.0
        self.url = ""
        self.tasks: set[asyncio.Task[None] | None] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        self.tasks.add(asyncio.current_task())
        with (
            contextlib.suppress(ConnectionError, asyncio.IncompleteReadError),
            contextlib.ExitStack() as stack,
        ):
            stack.callback(writer.close)
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                content = json.dumps({"keys": self.published}).encode()
                await asyncio.sleep(self.slow)
                if self.answer is not None:
                    await self.answer(writer)
                    break
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content)
                )

    @contextlib.asynccontextmanager
    async def open(self, port: int = 0) -> AsyncIterator["Issuer"]:
        server = await asyncio.start_server(self.handle, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/auth/jwks"
        try:
            yield self
        finally:
            server.close()
            for task in filter(None, self.tasks):
                task.cancel()
            await asyncio.gather(*filter(None, self.tasks), return_exceptions=True)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def key_set_of(issuer: Issuer, clock: Clock) -> AsyncIterator[KeySet]:
    key_set = KeySet(issuer.url, clock)
    async with key_set.open():
        await key_set.refresh()
        yield key_set


def verifier_of(key_set: KeySet) -> Verifier:
    return Verifier(
        TokenSettings.model_validate({"jwks_url": "https://a.example/"}), key_set, lambda: NOW
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with Issuer(jwk(ED, kid="ed"), jwk(ES, kid="es"), jwk(RS, kid="rs")).open() as issuer:
        yield issuer


# What is taken from a document


@pytest.mark.parametrize(
    ("members", "algorithms"),
    [
        (jwk(ED), ("EdDSA", "Ed25519")),
        (jwk(ED, alg="EdDSA"), ("EdDSA", "Ed25519")),
        (jwk(ED, alg="Ed25519", use="sig", key_ops=["verify"]), ("EdDSA", "Ed25519")),
        (jwk(ES), ("ES256",)),
        (jwk(RS, alg="RS256", x="ignored"), ("RS256",)),
    ],
)
def test_a_key_is_fixed_to_its_algorithm(
    members: dict[str, Any], algorithms: tuple[str, ...]
) -> None:
    """The kind of a key says what it verifies; an `alg` may only agree with it."""
    [key] = keys_in(json.dumps({"keys": [{**members, "kid": "k"}]}).encode()).values()
    assert key.algorithms == algorithms


@pytest.mark.parametrize(
    "members",
    [
        jwk(ED, alg="HS256"),
        jwk(ED, alg="ES256"),
        jwk(ED, alg=None),
        jwk(ED, alg=["EdDSA"]),
        jwk(ES, alg="ES384"),
        jwk(RS, alg="PS256"),
        jwk(RS, alg="none"),
        jwk(ED, use="enc"),
        jwk(ED, key_ops=["sign"]),
        jwk(ED, key_ops="verify"),
        jwk(ED, d="AAAA"),
        jwk(ED, x="AAAA"),
        jwk(ED, x=1),
        jwk(ED, crv="Ed448"),
        jwk(ED, crv=["Ed25519"]),
        jwk(ED, kid=""),
        jwk(ED, kid=1),
        jwk(ED, kid="k" * 256),
        jwk(ES, x=jwk(ES)["y"]),
        jwk(ec.generate_private_key(ec.SECP384R1())),
        jwk(ec.generate_private_key(ec.SECP256K1())),
        jwk(rsa.generate_private_key(65537, 1024)),
        jwk(RS, n=jwk(RS)["n"] * 8),
        jwk(RS, e=jwk(RS)["n"]),
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
        {"kty": ["RSA"]},
        {},
    ],
)
def test_a_key_that_is_passed_over(members: dict[str, Any]) -> None:
    """A key that is weak, malformed, private, for another use or of another kind does not hide the
    others.
    """
    assert list(
        keys_in(
            json.dumps({"keys": [{"kid": "k", **members}, None, 1, jwk(ES, kid="es")]}).encode()
        )
    ) == ["es"]


def test_two_keys_of_one_name() -> None:
    """Of two keys with one `kid` the first stands."""
    [key] = keys_in(json.dumps({"keys": [jwk(ES, kid="k"), jwk(RS, kid="k")]}).encode()).values()
    assert key.algorithms == ("ES256",)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b"\xff",
        b"[" * 100_000,
        json.dumps({"keys": [{}] * (MAX_KEYS + 1)}).encode(),
    ],
)
def test_no_key_set(document: bytes) -> None:
    """What is no key set, or one beyond measure, is an error; an empty one is not."""
    with pytest.raises(KeySetError):
        keys_in(document)
    assert keys_in(b'{"keys":[]}') == {}


# Tokens


@pytest.mark.parametrize(
    ("private", "kid", "algorithm"),
    [(ED, "ed", "EdDSA"), (ED, "ed", "Ed25519"), (ES, "es", "ES256"), (RS, "rs", "RS256")],
)
async def test_a_token_of_each_kind(
    issuer: Issuer, clock: Clock, private: Any, kid: str, algorithm: str
) -> None:
    """EdDSA under both its names, ES256 and RS256 are verified with the published key."""
    async with key_set_of(issuer, clock) as key_set:
        assert (
            await verifier_of(key_set).identity(token(private, kid, algorithm))
        ).owner == "alice"


@pytest.mark.parametrize(
    "forged",
    [
        token(ES, "ed", "ES256"),
        token(ED, "es"),
        token(RS, "rs", "RS384"),
        token(RS, "rs", "PS256"),
        token(ed25519.Ed25519PrivateKey.generate(), "ed"),
        token(ED, None),
        token("x" * 32, "ed", "HS256"),
        token(ED.public_key().public_bytes_raw(), "ed", "HS256"),
        token(jwk(RS)["n"].encode(), "rs", "HS256"),
        token(ES, "es", "ES256", jwk=jwk(ED))[:-8],
        token(ED, "ed", crit=["exp"]),
    ],
)
async def test_a_forged_token(issuer: Issuer, clock: Clock, forged: bytes) -> None:
    """A key verifies its own algorithm only: no HMAC with what is public, no key of another kind,
    none without a `kid`.
    """
    async with key_set_of(issuer, clock) as key_set:
        with pytest.raises(TokenError):
            await verifier_of(key_set).identity(forged)


async def test_what_a_token_points_to_is_not_fetched(issuer: Issuer, clock: Clock) -> None:
    """`jku` and `x5u` cause no call, and an embedded key verifies nothing."""
    async with Issuer(jwk(RS, kid="ed")).open() as trap, key_set_of(issuer, clock) as key_set:
        header = {"jku": trap.url, "x5u": trap.url, "jwk": jwk(RS)}
        with pytest.raises(TokenError):
            await verifier_of(key_set).identity(token(RS, "ed", "RS256", **header))
        assert (trap.connected, issuer.asked) == (0, 1)


# Time


async def test_a_day_without_the_issuer(issuer: Issuer, clock: Clock) -> None:
    """While the issuer is away for a day no token of a known key fails; after that nothing is taken
    on trust.
    """
    async with key_set_of(issuer, clock) as key_set:
        verifier = verifier_of(key_set)
        issuer.answer = lambda writer: writer.drain()  # says nothing, and closes
        for _ in range(48):
            clock.now += STALE / 48 - 0.01
            await key_set.refresh()
            assert (await verifier.identity(token(ED, "ed"))).owner == "alice"
            assert (await verifier_of(key_set).identity(token(RS, "rs", "RS256"))).owner == "alice"
        clock.now += 60
        for each in (verifier, verifier_of(key_set)):
            with pytest.raises(KeysAway):
                await each.identity(token(ED, "ed"))
        issuer.answer = None
        await key_set.refresh()
        assert (await verifier.identity(token(ED, "ed"))).owner == "alice"


async def test_the_age_of_the_keys(issuer: Issuer, clock: Clock) -> None:
    """Operators see how long ago the keys were fetched; there is nothing to see before they ever
    were.
    """
    assert KeySet(issuer.url, clock).age is None
    async with key_set_of(issuer, clock) as key_set:
        clock.now += 40
        assert key_set.age == 40
        await key_set.refresh()
        assert key_set.age == 0


async def test_unknown_keys(issuer: Issuer, clock: Clock) -> None:
    """A thousand random `kid`s at once cause one fetch, and another thousand none until the
    cool-down is over.
    """
    async with key_set_of(issuer, clock) as key_set:
        verifier = verifier_of(key_set)

        async def thousand() -> int:
            before = issuer.asked
            for _ in range(10):
                tokens = [token(ED, uuid4().hex) for _ in range(100)]
                outcomes = await asyncio.gather(
                    *map(verifier.identity, tokens), return_exceptions=True
                )
                assert all(type(outcome) is TokenError for outcome in outcomes)
            return issuer.asked - before

        assert [await thousand(), await thousand()] == [1, 0]
        clock.now += COOL_DOWN
        assert await thousand() == 1
        assert len(key_set._unknown) <= module.MAX_UNKNOWN  # noqa: SLF001 - shows nowhere else


async def test_an_unknown_key_is_remembered(issuer: Issuer, clock: Clock) -> None:
    """A `kid` that was asked for in vain causes no other fetch for a while, cool-down or not."""
    async with key_set_of(issuer, clock) as key_set:
        for moved, asked in ((0.0, 2), (COOL_DOWN, 2), (UNKNOWN_FOR, 3)):
            clock.now += moved
            with pytest.raises(TokenError):
                await verifier_of(key_set).identity(token(ED, "nobody"))
            assert issuer.asked == asked


async def test_rotation(issuer: Issuer, clock: Clock) -> None:
    """When the issuer changes its key not one request fails: those that come first wait for one
    fetch, all of them.
    """
    async with key_set_of(issuer, clock) as key_set:
        verifier, new = verifier_of(key_set), ed25519.Ed25519PrivateKey.generate()
        issuer.published.append(jwk(new, kid="new"))
        issuer.slow = 0.05
        before = issuer.asked
        identities = await asyncio.gather(
            *(verifier.identity(token(*pair)) for pair in [(new, "new"), (ED, "ed")] * 100)
        )
        assert {identity.owner for identity in identities} == {"alice"}
        assert issuer.asked == before + 1


async def test_rotation_while_a_fetch_is_on_its_way(issuer: Issuer, clock: Clock) -> None:
    """A key published after a fetch has left is found by a second one, and nobody fails."""
    async with key_set_of(issuer, clock) as key_set:
        verifier, new = verifier_of(key_set), ed25519.Ed25519PrivateKey.generate()
        issuer.slow = 0.05
        before = issuer.asked
        fetch = asyncio.create_task(key_set.refresh())
        while issuer.asked == before:
            await asyncio.sleep(0.001)
        issuer.published.append(jwk(new, kid="new"))
        identities = await asyncio.gather(
            *(verifier.identity(token(new, "new")) for _ in range(50))
        )
        await fetch
        assert {identity.owner for identity in identities} == {"alice"}
        assert issuer.asked == before + 2


async def test_a_removed_key_ends_its_tokens(issuer: Issuer, clock: Clock) -> None:
    """A token that was verified is refused as soon as its key is gone or another; tokens of other
    keys stay.
    """
    async with key_set_of(issuer, clock) as key_set:
        verifier = verifier_of(key_set)
        mine, others = token(ED, "ed"), token(ES, "es", "ES256")
        first = await verifier.identity(others)
        await verifier.identity(mine)
        issuer.published[0] = jwk(ed25519.Ed25519PrivateKey.generate(), kid="ed")
        await key_set.refresh()
        assert await verifier.identity(others) is first
        with pytest.raises(TokenError):
            await verifier.identity(mine)
        del issuer.published[0]
        await key_set.refresh()
        with pytest.raises(TokenError):
            await verifier.identity(mine)


# The issuer's answers


def sends(content: bytes) -> Callable[[asyncio.StreamWriter], Any]:
    async def answer(writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(content)
            await writer.drain()

    return answer


async def dribbles(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        for _ in range(100):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        sends(b""),
        sends(b"nonsense\r\n\r\n"),
        sends(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),
        sends(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        sends(OK + b"Content-Length: 0\r\n\r\n"),
        sends(OK + b'Content-Length: 11\r\n\r\n{"keys": {}}'),
        sends(OK + b"Content-Length: 500\r\n\r\n{"),
        sends(OK + b"Content-Length: 99999999\r\n\r\n" + b" " * (MAX_DOCUMENT_BYTES + 1)),
        sends(
            OK
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + b"10000\r\n" * 5
            + b" " * MAX_DOCUMENT_BYTES * 2
        ),
        sends(OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"),
        dribbles,
    ],
)
async def test_an_issuer_that_fails(
    issuer: Issuer,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[asyncio.StreamWriter], Any],
) -> None:
    """Whatever the issuer answers, a fetch ends in time, takes no more than it may, and leaves the
    known keys alone.
    """
    async with key_set_of(issuer, clock) as key_set:
        monkeypatch.setattr(module, "FETCH_TIMEOUT", 0.3)
        issuer.answer = answer
        async with asyncio.timeout(2):
            await key_set.refresh()
        assert key_set.known("ed") is not None


async def test_redirects_are_not_followed(
    issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """An issuer that points elsewhere has failed: nothing else is ever asked."""
    async with Issuer().open() as trap, key_set_of(issuer, clock) as key_set:
        issuer.answer = sends(
            f"HTTP/1.1 302 Found\r\nLocation: {trap.url}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        await key_set.refresh()
        assert trap.connected == 0
        assert "the answer is 302" in caplog.text


async def test_failures_are_tried_again(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """An issuer that comes up after the service is found by itself, without any request asking."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.05)
    key_set = KeySet(f"http://127.0.0.1:{port}/", clock)
    issuer = Issuer(jwk(ED, kid="ed"))
    async with key_set.open(), asyncio.timeout(5):
        await key_set.refresh()
        assert not key_set.ready
        async with issuer.open(port):
            while not key_set.ready:
                await asyncio.sleep(0.01)


# The service


def settings_of(database: str, url: str) -> Settings:
    return Settings.model_validate(
        {
            "database_url": database,
            "jwks_url": url,
            "cursor_secret": "a secret for cursors, of 32 characters",
        }
    )


def as_alice(private: Any, kid: str) -> dict[str, str]:
    signed = jwt.encode({"sub": "alice", "exp": 4_000_000_000}, private, "EdDSA", {"kid": kid})
    return {"Authorization": f"Bearer {signed}"}


async def ready(client: httpx.AsyncClient) -> httpx.Response:
    """The first answer that says so."""
    async with asyncio.timeout(5):
        while (response := await client.get("/readyz")).status_code != 200:
            await asyncio.sleep(0.01)
    return response


async def test_the_service_with_a_key_set(database: str, issuer: Issuer) -> None:
    """With JWKS_URL the service is ready once it has keys, takes the issuer's tokens, and none
    signed with a secret.
    """
    async with started(settings_of(database, issuer.url)) as app, client_of(app) as client:
        assert (await ready(client)).json()["checks"]["keys"] == "ok"
        assert (
            await client.get("/api/v1/users/alice/tasks", headers=as_alice(ED, "ed"))
        ).status_code == 200
        shared = jwt.encode({"sub": "alice", "exp": 4_000_000_000}, SECRET, "HS256", {"kid": "ed"})
        assert (
            await client.get("/api/v1/auth/session", headers={"Authorization": f"Bearer {shared}"})
        ).status_code == 401


async def test_the_service_without_any_keys(database: str) -> None:
    """Until the issuer was reached once the service is not ready, and says 503 of tokens that it
    cannot judge.
    """
    async with (
        started(settings_of(database, "http://127.0.0.1:1/jwks")) as app,
        client_of(app) as client,
    ):
        probed = await client.get("/readyz")
        assert (probed.status_code, probed.json()["checks"]["keys"]) == (503, "unknown")
        asked = await client.get("/api/v1/auth/session", headers=as_alice(ED, "ed"))
        assert (asked.status_code, asked.headers["Retry-After"]) == (503, "1")
        assert (
            await client.get("/api/v1/auth/session", headers={"Authorization": "Bearer x"})
        ).status_code == 401
        assert (await client.get("/livez")).status_code == 200
