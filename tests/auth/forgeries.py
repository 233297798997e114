"""Forged and malformed tokens by the rule that refuses them: known attacks, and faults that
libraries are known to accept.
"""

import base64
import hmac
import json
from collections.abc import Iterable
from itertools import chain
from typing import Any

from service.auth.refusals import Reason
from tests.conftest import SECRET

EXPIRES = 4_102_444_800  # 2100; rows are called the same in every process
CLAIMS: dict[str, Any] = {"sub": "alice", "exp": EXPIRES}
HS256 = {"alg": "HS256", "typ": "JWT"}
OTHER = b"attacker" * 4
JWK = {"kty": "oct", "k": base64.urlsafe_b64encode(OTHER).rstrip(b"=").decode()}

PEM = (
    "-----BEGIN PUBLIC"
    " KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC"
    " KEY-----\n"
)


def b64(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def text(document: object) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document).encode()


def signed(
    header: object = HS256,
    claims: object = CLAIMS,
    secret: bytes = SECRET.encode(),
    digest: str = "sha256",
) -> bytes:
    """A token as a holder of that secret would make it: the real one, unless another is
    given.
    """
    content = b64(text(header)) + b"." + b64(text(claims))
    return content + b"." + b64(hmac.digest(secret, content, digest))


def unsigned(header: object, signature: bytes, claims: object = CLAIMS) -> bytes:
    return b64(text(header)) + b"." + b64(text(claims)) + b"." + signature


def with_header(**members: object) -> bytes:
    return signed({**HS256, **members})


def with_claims(**members: object) -> bytes:
    return signed(claims={**CLAIMS, **members})


def each(name: str, values: Iterable[object]) -> dict[str, bytes]:
    """A token for each value of a claim."""
    return {f"{name} {value!r:.20}": with_claims(**{name: value}) for value in values}


def raw(*documents: bytes) -> dict[str, bytes]:
    """A token for each text of claims."""
    return {f"claims {document!r:.60}": signed(claims=document) for document in documents}


GOOD = signed()
HEAD, BODY, SIGNATURE = GOOD.split(b".")
NO_TIMES: list[object] = [str(EXPIRES), "", True, False, [EXPIRES], {}, None]
NOT_FINITE = [float("inf"), float("-inf"), float("nan")]

FORGED: dict[Reason, dict[str, bytes]] = {
    "form": {
        # The segments
        "nothing": b"",
        "dots": b"..",
        "three dots": b"...",
        "a text": b"alice",
        "not ASCII": "й".encode() * 40,
        "not UTF-8": b"\xff.\xff.\xff",
        "one segment": HEAD,
        "no third segment": HEAD + b"." + BODY,
        "no signature": HEAD + b"." + BODY + b".",
        "no header": b"." + BODY + b"." + SIGNATURE,
        "no claims": HEAD + b".." + SIGNATURE,
        "four segments": GOOD + b".AAAA",
        "a dot behind": GOOD + b".",
        "two tokens": GOOD + b"," + GOOD,
        "its scheme inside": b"Bearer " + GOOD,
        "commas": GOOD.replace(b".", b","),
        "percent-encoded": GOOD.replace(b".", b"%2E"),
        "in quotes": b'"' + GOOD + b'"',
        "JSON serialization": json.dumps(
            {
                "payload": BODY.decode(),
                "signatures": [{"protected": HEAD.decode(), "signature": SIGNATURE.decode()}],
            }
        ).encode(),
        "over 8 KiB": signed(claims={**CLAIMS, "x": "a" * 8192}),
        "alg none, no signature": unsigned({"alg": "none"}, b""),
        # The segments' encoding
        "padding": GOOD + b"=",
        "padding of two": GOOD + b"==",
        "padding inside": HEAD + b"=." + BODY + b"." + SIGNATURE,
        "plain base64": GOOD[:-3] + b"+/" + GOOD[-1:],
        "stray bits": GOOD[:-1] + bytes([GOOD[-1] + 1]),
        "a character less": GOOD[:-1],
        "two characters more": GOOD + b"AA",
        "a blank before": b" " + GOOD,
        "a blank behind": GOOD + b" ",
        "a blank inside": HEAD + b". " + BODY + b"." + SIGNATURE,
        "a tab inside": HEAD + b".\t" + BODY + b"." + SIGNATURE,
        "a line break inside": GOOD[:20] + b"\n" + GOOD[20:],
        "a line break behind": GOOD + b"\n",
        "NUL inside": GOOD[:20] + b"\0" + GOOD[20:],
        # The header's JSON
        "header a list": signed([HS256]),
        "header a text": signed(b'"HS256"'),
        "header null": signed(b"null"),
        "header no JSON": signed(b"{alg:HS256}"),
        "header a long number": signed(b"9" * 5000),
        "header bad UTF-8": signed(b'{"alg":"HS256","x":"\xff"}'),
        "header UTF-16": signed(json.dumps(HS256).encode("utf-16")),
        "header with a mark": signed(b"\xef\xbb\xbf" + text(HS256)),
        "header with NaN": signed(b'{"alg":"HS256","x":NaN}'),
        "header nested 33 deep": signed(b'{"alg":"HS256","x":' + b"[" * 32 + b"]" * 32 + b"}"),
        "header deep": signed(b'{"alg":"HS256","x":' + b"[" * 2500 + b"]" * 2500 + b"}"),
        "header cut deep": signed(b"[" * 5900),
        "header of objects": signed(b'{"alg":' * 800),
        "alg twice": signed(b'{"alg":"none","alg":"HS256"}'),
        # The claims' JSON
        **raw(
            b"",
            b"null",
            b"0",
            b'"alice"',
            GOOD,
            text([CLAIMS]),
            text(CLAIMS) + b"x",
            text(CLAIMS)[:-1],
            text(CLAIMS).decode().encode("utf-16"),
            b"\xef\xbb\xbf" + text(CLAIMS),
            b'{"sub":"\xff","exp":%d}' % EXPIRES,
            b'{"sub":"bob","sub":"alice","exp":%d}' % EXPIRES,
            b'{"sub":"alice","exp":1,"exp":%d}' % EXPIRES,
            b'{"sub":"alice","exp":%d,"user":{"id":1,"id":2}}' % EXPIRES,
            b'{"sub":"alice","exp":%d,"x":NaN}' % EXPIRES,
            b'{"sub":"alice","exp":%d,"x":-Infinity}' % EXPIRES,
            b'{"sub":"alice","exp":0x7fffffff}',
            b'{"sub":"alice","exp":' + b"9" * 5000 + b"}",
            b"[" * 5900,
            b'{"a":' * 1180,
        ),
        **each("exp", NOT_FINITE),
        **each("nbf", NOT_FINITE),
    },
    "encrypted": {"five segments": GOOD + b".AAAA.AAAA"},
    # The algorithm is the verifier's to choose
    "algorithm": {
        **{
            f"alg {name}": unsigned({"alg": name}, SIGNATURE)
            for name in (
                *("none", "None", "NONE", "nOnE", "none ", "\u0000none", "", "n\u043ene"),
                *("HS256\u0000", "hs256"),
            )
        },
        "alg HS384": signed({"alg": "HS384"}, digest="sha384"),
        "alg HS512": signed({"alg": "HS512"}, digest="sha512"),
        "alg missing": signed({"typ": "JWT"}),
        "alg null": signed({"alg": None}),
        "alg a list": signed({"alg": ["HS256"]}),
        "alg an object": signed({"alg": {"HS256": 1}}),
        "alg a number": signed({"alg": 256}),
        **{
            f"alg {name}, zeros": unsigned({"alg": name}, b64(bytes(size)))
            for name, size in (("RS256", 256), ("PS256", 256), ("ES256", 64), ("EdDSA", 64))
        },
        "alg RS256, HMAC": signed({"alg": "RS256"}),
    },
    # What is critical must be understood
    "critical": {
        "crit unknown": with_header(crit=["x"], x=1),
        "crit empty": with_header(crit=[]),
        "crit of lists": with_header(crit=[[]]),
        "crit of a registered name": with_header(crit=["exp"], exp=1),
        "crit no list": with_header(crit="exp"),
        "crit null": with_header(crit=None),
        "b64 false": with_header(b64=False, crit=["b64"]),
        "b64 false, not critical": with_header(b64=False),
        "b64 true": with_header(b64=True),
    },
    # Tokens of other kinds from the same issuer (RFC 8725, section 3.11)
    "typ": {
        f"typ {kind}": with_header(typ=kind)
        for kind in (
            *("JWE", "logout+jwt", "secevent+jwt", "dpop+jwt", "id_token"),
            *("", "JWT ", None, 1, ["JWT"]),
        )
    },
    "signature": {
        "of zeros": HEAD + b"." + BODY + b"." + b64(bytes(32)),
        "cut": GOOD[:-3],
        "kid no text": with_header(kid={}),
        "of another token": HEAD + b"." + b64(text({**CLAIMS, "sub": "bob"})) + b"." + SIGNATURE,
        "by SHA-512": signed(digest="sha512"),
        # Keys that the token brings along, or points to
        "wrong secret": signed(secret=OTHER),
        "longer secret": signed(secret=SECRET.encode() + b"x"),
        "empty secret": signed(secret=b""),
        "the secret in base64": signed(secret=base64.b64encode(SECRET.encode())),
        "a public key as secret": signed(secret=PEM.encode()),
        "jwk inside": signed({**HS256, "jwk": JWK}, secret=OTHER),
        "jku": signed({**HS256, "jku": "http://127.0.0.1:9/jwks"}, secret=OTHER),
        "x5u": signed({**HS256, "x5u": "http://127.0.0.1:9/cert"}, secret=OTHER),
        "x5c": signed(
            {**HS256, "x5c": [base64.b64encode(PEM.encode()).decode()]}, secret=PEM.encode()
        ),
        "x5t": signed({**HS256, "x5t": "AAAA"}, secret=OTHER),
        **{
            f"kid {kid!r:.24}": signed({**HS256, "kid": kid}, secret=secret)
            for kid, secret in (
                ("/dev/null", b""),
                ("../../../../dev/null", b""),
                ("../../proc/sys/kernel/randomize_va_space", b"2\n"),
                ("x' UNION SELECT 'attacker", b"attacker"),
                ("| sleep 10", OTHER),
                ("http://127.0.0.1:9/", OTHER),
                ("file:///etc/hostname", OTHER),
                ("", b""),
                (None, b""),
                (["a"], OTHER),
                ("a" * 4000, OTHER),
            )
        },
    },
    "claims": {
        **each("exp", [*NO_TIMES, 253402300800, 10**18, 10**400, -(10**18)]),
        "exp 1e999": signed(claims=b'{"sub":"alice","exp":1e999}'),
        **each("nbf", [*NO_TIMES, -(10**400)]),
        **each("iat", NO_TIMES),
        **each("email", [1, True, ["a@example.com"], "\udfff"]),
    },
    "no-expiry": {
        "no exp": signed(claims={"sub": "alice"}),
        "no claim at all": signed(claims={}),
    },
    "not-yet": {**each("nbf", [EXPIRES]), **each("iat", [EXPIRES])},
    "audience-not-configured": each("aud", ["tasks", ["tasks"], [], "", None]),
    "subject": {
        "no sub": signed(claims={"exp": EXPIRES}),
        **each("sub", [None, 0, 1, True, ["alice"], {"a": 1}, "", " ", "a" * 256, "a" * 6000]),
        **each("sub", [" alice", "alice ", "alice\n", "\u00a0alice", "alice\u2003"]),
        **each(
            "sub", [f"al{character}ice" for character in "\0\n\t\x1f\x7f\x80\x85\x9f\ud800\udfff"]
        ),
        **each("sub", ["\0", "\ud800", "a\r\nX-Admin: 1"]),
    },
}
"""A valid token of alice's but for one fault each, by the reason for which it is refused."""

ROWS = dict(chain.from_iterable(rows.items() for rows in FORGED.values()))
"""The same by name."""
