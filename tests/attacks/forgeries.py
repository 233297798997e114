"""Forged and malformed tokens: known attacks, and faults that libraries are known to accept."""

import base64
import hmac
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.conftest import SECRET

SESSION = "/api/v1/auth/session"

EXPIRES = 4_102_444_800  # 2100; rows are called the same in every process

CLAIMS: dict[str, Any] = {"sub": "alice", "exp": EXPIRES}

HS256 = {"alg": "HS256", "typ": "JWT"}

MAKE_RSA = rsa.generate_private_key(65537, 2048)

PEM = MAKE_RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

EC_KEY, ED_KEY = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()


def b64(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def text(document: object) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document).encode()


def token(
    header: object = HS256,
    claims: object = CLAIMS,
    secret: bytes = SECRET.encode(),
    digest: str = "sha256",
) -> bytes:
    """A token as a holder of that secret would make it: the real one, unless another is
    given.
    """
    signed = b64(text(header)) + b"." + b64(text(claims))
    return signed + b"." + b64(hmac.new(secret, signed, digest).digest())


def unsigned(header: object, signature: bytes = b"", claims: object = CLAIMS) -> bytes:
    return b64(text(header)) + b"." + b64(text(claims)) + b"." + signature


def with_header(**members: object) -> bytes:
    return token({**HS256, **members})


def with_claims(**members: object) -> bytes:
    return token(claims={**CLAIMS, **members})


def by(algorithm: str, key: Any, **header: Any) -> bytes:
    return jwt.encode(CLAIMS, key, algorithm, header).encode()


GOOD = token()

HEAD, BODY, SIGNATURE = GOOD.split(b".")

JWK = {"kty": "oct", "k": b64(b"attacker" * 4).decode()}

OTHER = b"attacker" * 4

EXPIRIES: list[object] = [None, "", str(EXPIRES), True, [EXPIRES], {}, 10**18, 10**400, -(10**18)]

FORGED: dict[str, bytes] = {
    # No signature at all, under every spelling of the name
    **{
        f"alg {name}": unsigned({"alg": name})
        for name in ("none", "None", "NONE", "nOnE", "none ", "\u0000none", "", "n\u043ene")
    },
    **{
        f"alg {name}, old signature": unsigned({"alg": name}, SIGNATURE)
        for name in ("none", "None", "HS256\u0000", "hs256")
    },
    "no signature": HEAD + b"." + BODY + b".",
    "no third segment": HEAD + b"." + BODY,
    "one segment": HEAD,
    "signature of zeros": HEAD + b"." + BODY + b"." + b64(bytes(32)),
    "signature cut": GOOD[:-2],
    "signature longer": GOOD + b"AA",
    "signature of another token": (
        HEAD + b"." + b64(text({**CLAIMS, "sub": "bob"})) + b"." + SIGNATURE
    ),
    "five segments (JWE)": GOOD + b".AAAA.AAAA",
    "four segments": GOOD + b".AAAA",
    "two tokens": GOOD + b"," + GOOD,
    "JSON serialization": (
        json.dumps(
            {
                "payload": BODY.decode(),
                "signatures": [{"protected": HEAD.decode(), "signature": SIGNATURE.decode()}],
            }
        ).encode()
    ),
    # The algorithm is the verifier's to choose
    "alg HS384": token({"alg": "HS384"}, digest="sha384"),
    "alg HS512": token({"alg": "HS512"}, digest="sha512"),
    "alg hs256": token({"alg": "hs256"}),
    "alg missing": token({"typ": "JWT"}),
    "alg null": token({"alg": None}),
    "alg a list": token({"alg": ["HS256"]}),
    "alg an object": token({"alg": {"HS256": 1}}),
    "alg a number": token({"alg": 256}),
    "alg twice": token(b'{"alg":"none","alg":"HS256"}'),
    "alg RS256": by("RS256", MAKE_RSA),
    "alg PS256": by("PS256", MAKE_RSA),
    "alg ES256": by("ES256", EC_KEY),
    "alg EdDSA": by("EdDSA", ED_KEY),
    "alg ES256, r = s = 0": unsigned({"alg": "ES256"}, b64(bytes(64))),
    "alg RS256, HMAC": token({"alg": "RS256"}),
    # Keys that the token brings along, or points to
    "wrong secret": token(secret=OTHER),
    "empty secret": token(secret=b""),
    "the secret in base64": token(secret=base64.b64encode(SECRET.encode())),
    "a public key as secret": token(secret=PEM),
    "jwk inside": token({**HS256, "jwk": JWK}, secret=OTHER),
    "jku": token({**HS256, "jku": "http://127.0.0.1:9/jwks"}, secret=OTHER),
    "x5u": token({**HS256, "x5u": "http://127.0.0.1:9/cert"}, secret=OTHER),
    "x5c": token({**HS256, "x5c": [base64.b64encode(PEM).decode()]}, secret=PEM),
    "x5t": token({**HS256, "x5t": "AAAA"}, secret=OTHER),
    **{
        f"kid {kid!r:.24}": token({**HS256, "kid": kid}, secret=secret)
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
    # What is critical must be understood
    "crit unknown": with_header(crit=["x"], x=1),
    "crit empty": with_header(crit=[]),
    "crit of a registered name": with_header(crit=["exp"], exp=1),
    "crit no list": with_header(crit="exp"),
    "crit null": with_header(crit=None),
    "b64 false": with_header(b64=False, crit=["b64"]),
    "b64 false, not critical": with_header(b64=False),
    "b64 true": with_header(b64=True),
    # Tokens of other kinds from the same issuer (RFC 8725, section 3.11)
    **{
        f"typ {kind}": with_header(typ=kind)
        for kind in (
            "JWE",
            "logout+jwt",
            "secevent+jwt",
            "dpop+jwt",
            "id_token",
            "",
            "JWT ",
            None,
            1,
            ["JWT"],
        )
    },
    # Encodings
    "header no object": token([HS256]),
    "header no JSON": token(b"{alg:HS256}"),
    "header bad UTF-8": token(b'{"alg":"HS256","x":"\xff"}'),
    "header UTF-16": token(json.dumps(HS256).encode("utf-16")),
    "header with a mark": token(b"\xef\xbb\xbf" + text(HS256)),
    "header with NaN": token(b'{"alg":"HS256","x":NaN}'),
    "header nested 33 deep": token(b'{"alg":"HS256","x":' + b"[" * 32 + b"]" * 32 + b"}"),
    "header deep": token(b'{"alg":"HS256","x":' + b"[" * 2500 + b"]" * 2500 + b"}"),
    "padding": GOOD + b"=",
    "padding of two": GOOD + b"==",
    "padding inside": HEAD + b"=." + BODY + b"." + SIGNATURE,
    "plain base64": GOOD[:-3] + b"+/" + GOOD[-1:],
    "stray bits": GOOD[:-1] + bytes([GOOD[-1] + 1]),
    "a blank inside": HEAD + b". " + BODY + b"." + SIGNATURE,
    "a tab inside": HEAD + b".\t" + BODY + b"." + SIGNATURE,
    "percent-encoded": GOOD.replace(b".", b"%2E"),
    "in quotes": b'"' + GOOD + b'"',
    "over 8 KiB": token(claims={**CLAIMS, "x": "a" * 8192}),
    "not ASCII": "й".encode() * 40,
}

CLAIMED: dict[str, bytes] = {
    "no claims": token(claims={}),
    "claims null": token(claims=b"null"),
    "claims a list": token(claims=[CLAIMS]),
    "claims a text": token(claims=b'"alice"'),
    "claims a token": token(claims=GOOD),
    "claims empty": token(claims=b""),
    "claims bad UTF-8": token(claims=b'{"sub":"\xff","exp":%d}' % EXPIRES),
    "claims twice": token(claims=b'{"sub":"bob","sub":"alice","exp":%d}' % EXPIRES),
    "exp twice": token(claims=b'{"sub":"alice","exp":1,"exp":%d}' % EXPIRES),
    "no exp": token(claims={"sub": "alice"}),
    **{f"exp {expiry!r:.20}": with_claims(exp=expiry) for expiry in EXPIRIES},
    **{
        f"exp {raw.decode()}": token(claims=b'{"sub":"alice","exp":' + raw + b"}")
        for raw in (b"NaN", b"Infinity", b"1e999", b"0x7fffffff")
    },
    "nbf in the future": with_claims(nbf=EXPIRES),
    "nbf no number": with_claims(nbf="0"),
    "nbf null": with_claims(nbf=None),
    "iat in the future": with_claims(iat=EXPIRES),
    "iat no number": with_claims(iat=[]),
    "aud that nobody asked for": with_claims(aud="tasks"),
    "aud empty": with_claims(aud=[]),
    "aud null": with_claims(aud=None),
    "no sub": token(claims={"exp": EXPIRES}),
    **{
        f"sub {subject!r:.20}": with_claims(sub=subject)
        for subject in (
            *(
                "",
                " ",
                " alice",
                "alice ",
                "alice\n",
                "\x00",
                "alice\x00",
                "a\r\nX-Admin: 1",
                "\x7f",
                "\x85",
                "\ud800",
                "a" * 256,
            ),
            *(None, 0, True, ["alice"], {"a": 1}),
        )
    },
    "email no text": with_claims(email=["a@example.com"]),
    "email a surrogate": with_claims(email="\udfff"),
}
