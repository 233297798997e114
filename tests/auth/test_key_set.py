"""Key sets: which keys are used, when they are fetched, and what happens if that fails."""

import asyncio
import contextlib
import json
import re
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from service.auth import fetching
from service.auth import key_set as module
from service.auth.fetching import MAX_DOCUMENT_BYTES
from service.auth.jwk import MAX_KEYS, KeySetError, keys_in
from service.auth.key_set import COOL_DOWN, STALE, UNKNOWN_FOR, KeySet, KeysUnavailable
from service.auth.refusals import TokenError
from service.auth.tokens import Verifier
from service.settings import Settings, TokenSettings
from tests.authority import Authority
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
    """Publishes keys on a port, counts requests, and fails in the way that a test sets."""

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
def test_a_keys_type_fixes_its_algorithm(
    members: dict[str, Any], algorithms: tuple[str, ...]
) -> None:
    """The type of a key fixes the algorithm that it verifies; its `alg` may only agree."""
    [key] = keys_in(json.dumps({"keys": [{**members, "kid": "k"}]}).encode()).keys.values()
    assert key.algorithms == algorithms


@pytest.mark.parametrize(
    ("flaw", "members"),
    [
        ("alg", jwk(ED, alg="HS256")),
        ("alg", jwk(ED, alg="ES256")),
        ("alg", jwk(ED, alg=None)),
        ("alg", jwk(ED, alg=["EdDSA"])),
        ("alg", jwk(ES, alg="ES384")),
        ("alg", jwk(RS, alg="PS256")),
        ("alg", jwk(RS, alg="none")),
        ("use", jwk(ED, use="enc")),
        ("use", jwk(ED, key_ops=["sign"])),
        ("use", jwk(ED, key_ops="verify")),
        ("private", jwk(ED, d="AAAA")),
        ("malformed", jwk(ED, x="AAAA")),
        ("malformed", jwk(ED, x=1)),
        ("kind", jwk(ED, crv="Ed448")),
        ("kind", jwk(ED, crv=["Ed25519"])),
        ("malformed", jwk(ED, kid="")),
        ("malformed", jwk(ED, kid=1)),
        ("malformed", jwk(ED, kid="k" * 256)),
        ("malformed", jwk(ES, x=jwk(ES)["y"])),
        ("kind", jwk(ec.generate_private_key(ec.SECP384R1()))),
        ("kind", jwk(ec.generate_private_key(ec.SECP256K1()))),
        ("weak", jwk(rsa.generate_private_key(65537, 1024))),
        ("weak", jwk(RS, n=jwk(RS)["n"] * 8)),
        ("malformed", jwk(RS, e=jwk(RS)["n"])),
        ("kind", {"kty": "oct", "k": "c2VjcmV0"}),
        ("kind", {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}),
        ("kind", {"kty": ["RSA"]}),
        ("kind", {}),
        ("no kid", {"kid": None}),
    ],
)
def test_an_unusable_key_is_skipped_and_counted(flaw: str, members: dict[str, Any]) -> None:
    """A key that is weak, malformed, private, for another use or of another type does not hide the
    others, and is counted by its fault.
    """
    given = {
        name: value
        for name, value in {"kid": "k", **members}.items()
        if name != "kid" or value is not None
    }
    document = {"keys": [given, None, 1, jwk(ES, kid="es")]}
    published = keys_in(json.dumps(document).encode())
    assert list(published.keys) == ["es"]
    assert published.passed_over == Counter({"malformed": 2}) + Counter({flaw: 1})


def test_of_two_keys_with_one_kid_the_first_counts() -> None:
    """Of two keys with one `kid` the first counts."""
    published = keys_in(json.dumps({"keys": [jwk(ES, kid="k"), jwk(RS, kid="k")]}).encode())
    assert published.keys["k"].algorithms == ("ES256",)
    assert published.passed_over == {"same kid": 1}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[]}',
        b'{"keys":[{"kid":"k","kty":"oct","k":"c2VjcmV0"}]}',
        b"\xff",
        b"[" * 100_000,
        json.dumps({"keys": [{}] * (MAX_KEYS + 1)}).encode(),
    ],
)
def test_what_is_no_usable_key_set_is_an_error(document: bytes) -> None:
    """A document that is no key set, is too large, or has no usable key is an error."""
    with pytest.raises(KeySetError):
        keys_in(document)


async def test_each_change_of_the_keys_is_logged_once(
    issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A new set logs its number of keys, their algorithms, and why keys were skipped; an unchanged
    set logs nothing.
    """
    caplog.set_level("INFO")
    issuer.published += [jwk(ES, kid="es2"), jwk(ED), {"kid": "k", "kty": "oct"}]
    async with key_set_of(issuer, clock) as key_set:
        await key_set.refresh()
        del issuer.published[1:5]
        await key_set.refresh()
        await key_set.refresh()
    assert [line for line in caplog.messages if "key set" in line] == [
        "the key set is new; keys: 4 (1 EdDSA, 2 ES256, 1 RS256), passed over: 2 (1 no kid, 1 kind)",
        "the key set is new; keys: 1 (1 EdDSA), passed over: 1 (1 kind)",
    ]


@pytest.mark.parametrize(
    ("published", "said"),
    [
        ([], "none of its keys can be used (keys: 0, passed over: 0)"),
        (
            [{"kid": "k", "kty": "oct"}, jwk(ED)],
            "none of its keys can be used (keys: 0, passed over: 2 (1 kind, 1 no kid))",
        ),
    ],
)
async def test_a_set_without_usable_keys_is_a_failed_fetch(
    issuer: Issuer,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    published: list[dict[str, Any]],
    said: str,
) -> None:
    """A set without a usable key does not make the service ready, and removes no known key."""
    async with key_set_of(issuer, clock) as key_set:
        issuer.published = published
        clock.now += 40
        await key_set.refresh()
        assert (await verifier_of(key_set).identity(token(ED, "ed"))).owner == "alice"
        assert key_set.age == 40
    async with key_set_of(issuer, clock) as other:
        assert not other.ready
    assert {line for line in caplog.messages if "none" in line} == {
        f"no keys from JWKS_URL: {said}"
    }


# Tokens


@pytest.mark.parametrize(
    ("private", "kid", "algorithm"),
    [(ED, "ed", "EdDSA"), (ED, "ed", "Ed25519"), (ES, "es", "ES256"), (RS, "rs", "RS256")],
)
async def test_each_algorithm_verifies_with_its_published_key(
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
async def test_a_key_verifies_no_other_algorithm(
    issuer: Issuer, clock: Clock, forged: bytes
) -> None:
    """A key verifies its own algorithm only: no HMAC with a public key, no key of another type,
    none without a `kid`.
    """
    async with key_set_of(issuer, clock) as key_set:
        with pytest.raises(TokenError):
            await verifier_of(key_set).identity(forged)


async def test_nothing_that_a_token_points_to_is_fetched(issuer: Issuer, clock: Clock) -> None:
    """`jku` and `x5u` cause no request, and an embedded key verifies nothing."""
    async with Issuer(jwk(RS, kid="ed")).open() as trap, key_set_of(issuer, clock) as key_set:
        header = {"jku": trap.url, "x5u": trap.url, "jwk": jwk(RS)}
        with pytest.raises(TokenError):
            await verifier_of(key_set).identity(token(RS, "ed", "RS256", **header))
        assert (trap.connected, issuer.asked) == (0, 1)


# Time


async def test_known_keys_last_a_day_without_the_issuer(issuer: Issuer, clock: Clock) -> None:
    """While the issuer is away for a day, tokens with known keys stay valid; after that they are
    refused.
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
            with pytest.raises(KeysUnavailable):
                await each.identity(token(ED, "ed"))
        issuer.answer = None
        await key_set.refresh()
        assert (await verifier.identity(token(ED, "ed"))).owner == "alice"


async def test_the_age_of_the_keys_is_since_the_last_fetch(issuer: Issuer, clock: Clock) -> None:
    """The age is the time since the last fetch; before the first one there is none."""
    assert KeySet(issuer.url, clock).age is None
    async with key_set_of(issuer, clock) as key_set:
        clock.now += 40
        assert key_set.age == 40
        await key_set.refresh()
        assert key_set.age == 0


async def test_a_thousand_unknown_keys_cause_one_fetch(issuer: Issuer, clock: Clock) -> None:
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


async def test_an_unknown_key_causes_one_fetch_only(issuer: Issuer, clock: Clock) -> None:
    """A `kid` that a fetch did not find causes no other fetch for a while, cool-down or not."""
    async with key_set_of(issuer, clock) as key_set:
        for moved, asked in ((0.0, 2), (COOL_DOWN, 2), (UNKNOWN_FOR, 3)):
            clock.now += moved
            with pytest.raises(TokenError):
                await verifier_of(key_set).identity(token(ED, "nobody"))
            assert issuer.asked == asked


async def test_a_slow_issuer_delays_no_token_with_a_known_key(
    issuer: Issuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the issuer does not answer, tokens with random `kid`s are refused as invalid, and
    tokens with known keys do not wait.
    """
    async with key_set_of(issuer, clock) as key_set:
        verifier = verifier_of(key_set)
        monkeypatch.setattr(module, "PATIENCE", 0.1)
        issuer.slow = 600
        random = [
            asyncio.create_task(verifier.identity(token(ED, uuid4().hex)))
            for _ in range(module.MAX_WAITING + 100)
        ]
        await asyncio.sleep(0)
        assert (await verifier.identity(token(ED, "ed"))).owner == "alice"
        assert sum(not each.done() for each in random) == module.MAX_WAITING
        outcomes = await asyncio.gather(*random, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {TokenError}


async def test_a_remembered_unknown_key_is_refused_at_once(issuer: Issuer, clock: Clock) -> None:
    """A `kid` that is remembered as unknown is refused at once, also while a fetch is under way."""
    async with key_set_of(issuer, clock) as key_set:
        verifier = verifier_of(key_set)
        with pytest.raises(TokenError):
            await verifier.identity(token(ED, "nobody"))
        issuer.slow = 600
        fetch = asyncio.create_task(key_set.refresh())
        await asyncio.sleep(0)
        refused = asyncio.create_task(verifier.identity(token(ED, "nobody")))
        await asyncio.sleep(0)
        assert refused.done()
        with pytest.raises(TokenError):
            await refused
        fetch.cancel()


async def test_a_key_rotation_fails_no_request(issuer: Issuer, clock: Clock) -> None:
    """When the issuer changes its key no request fails: the first ones all wait for one fetch."""
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


async def test_a_key_published_during_a_fetch_is_found_by_the_next(
    issuer: Issuer, clock: Clock
) -> None:
    """A key published during a fetch is found by a second one, and no request fails."""
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
    """A verified token is refused as soon as its key is removed or replaced; tokens of other keys
    stay valid.
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
async def test_a_fetch_is_bounded_and_keeps_the_known_keys(
    issuer: Issuer,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[asyncio.StreamWriter], Any],
) -> None:
    """Whatever the issuer answers, a fetch ends in time, reads a bounded number of bytes, and
    leaves the known keys alone.
    """
    async with key_set_of(issuer, clock) as key_set:
        monkeypatch.setattr(fetching, "FETCH_TIMEOUT", 0.3)
        issuer.answer = answer
        async with asyncio.timeout(2):
            await key_set.refresh()
        assert key_set.known("ed") is not None


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def failure_of(url: str, caplog: pytest.LogCaptureFixture) -> str:
    """What the log says of a fetch from there."""
    key_set = KeySet(url)
    async with key_set.open():
        await key_set.refresh()
    assert not key_set.ready
    return caplog.messages[0].removeprefix("no keys from JWKS_URL: ")


async def speaks_plainly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each connection, without TLS."""
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()


async def test_a_failed_fetch_names_its_cause(
    issuer: Issuer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown host, a refused connection, a failed TLS handshake and a timeout are each
    reported as such.
    """
    plain = await asyncio.start_server(speaks_plainly, "127.0.0.1", 0)
    expected = {
        "http://127.0.0.1:1/": "the connection is refused",
        "http://localhost:1/": "the connection is refused",
        f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}/": r"TLS fails \([A-Z_]+\)",
    }
    async with plain:
        for url, said in expected.items():
            assert re.fullmatch(said, await failure_of(url, caplog)), (url, caplog.messages)
            caplog.clear()

    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with monkeypatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
        assert await failure_of("https://issuer.example/", caplog) == (
            "the host's name cannot be resolved (Name or service not known)"
        )
        caplog.clear()

    issuer.slow = 60
    monkeypatch.setattr(fetching, "FETCH_TIMEOUT", 0.3)  # the others have all the time they need
    assert await failure_of(issuer.url, caplog) == "no whole answer within 0.3 s"


async def test_a_refused_certificate_is_reported_in_openssls_words(
    authority: Authority, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate is refused in OpenSSL's words: unknown authority, or another host."""
    pair = authority.issue("issuer.example")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pair.certificate, pair.key)
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=tls)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server:
        said = await failure_of(url, caplog)
        assert said == "the certificate is refused (unable to get local issuer certificate)"
        caplog.clear()
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        said = await failure_of(url, caplog)
        assert said.startswith("the certificate is refused (IP address mismatch")


async def test_a_redirect_is_a_failed_fetch(
    issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """An issuer that redirects has failed: no other address is ever asked."""
    async with Issuer().open() as trap, key_set_of(issuer, clock) as key_set:
        issuer.answer = sends(
            f"HTTP/1.1 302 Found\r\nLocation: {trap.url}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        await key_set.refresh()
        assert trap.connected == 0
        assert "the answer is 302" in caplog.text


async def test_a_failed_first_fetch_is_repeated_without_a_request(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An issuer that starts after the service is found without any request."""
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


async def test_with_jwks_url_only_the_issuers_tokens_are_valid(
    database: str, issuer: Issuer
) -> None:
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


async def test_without_keys_the_service_is_not_ready_and_answers_503(database: str) -> None:
    """Until the first fetch succeeds the service is not ready, and answers 503 to tokens that it
    cannot verify.
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
