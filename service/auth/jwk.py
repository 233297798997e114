"""Parse a JSON Web Key Set (RFC 7517) into public keys, each bound to one algorithm.

A token's header never selects the algorithm; it must match the key's (RFC 8725, sections 3.1 and
3.2).
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

MAX_KEYS = 100
MAX_KID_LENGTH = 255

# The supported kinds, each with the names of its algorithm. RFC 9864 renamed Ed25519's.
ALGORITHMS = {"OKP Ed25519": ("EdDSA", "Ed25519"), "EC P-256": ("ES256",), "RSA": ("RS256",)}
_PARSERS = {
    "OKP Ed25519": OKPAlgorithm.from_jwk,
    "EC P-256": ECAlgorithm.from_jwk,
    "RSA": RSAAlgorithm.from_jwk,
}

# Below 2048 bits RSA is weak (RFC 7518, section 3.3); far above, verifying costs too much for
# requests without authentication.
_RSA_BITS = range(2048, 8192 + 1)
_LARGEST_EXPONENT = 2**32


class KeySetError(Exception):
    """The document is not a usable key set. The message quotes nothing of it."""


Flaw = Literal["no kid", "same kid", "kind", "use", "alg", "private", "weak", "malformed"]
"""Why a key is ignored."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key, with the names of its algorithm in a token's header."""

    algorithms: tuple[str, ...]
    material: Any


class Published(NamedTuple):
    """The usable keys of a set by `kid`, and the number of ignored ones by reason."""

    keys: dict[str, Key]
    passed_over: Counter[Flaw]

    def __str__(self) -> str:
        algorithms = Counter(key.algorithms[0] for key in self.keys.values())
        used = f"keys: {len(self.keys)}{_listed(algorithms)}"
        passed_over = f"{self.passed_over.total()}{_listed(self.passed_over)}"
        return f"{used}, passed over: {passed_over}"


def keys_in(document: bytes) -> Published:
    """Return the usable keys of a key set by `kid`; of several with one `kid`, the first.

    Keys of another kind or use, or without `kid`, are ignored (RFC 7517, section 5). Raises
    KeySetError if this is no key set, has more than MAX_KEYS keys, or no usable one.
    """
    try:
        parsed = json.loads(document.decode("utf-8"))
    except (ValueError, RecursionError):
        raise KeySetError("it is not JSON") from None
    listed = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(listed, list):
        raise KeySetError("it has no list of keys")
    if len(listed) > MAX_KEYS:
        raise KeySetError(f"it has more than {MAX_KEYS} keys")
    published = Published({}, Counter())
    for jwk in listed:
        key = _key(jwk) if isinstance(jwk, dict) else "malformed"
        if isinstance(key, Key) and jwk["kid"] in published.keys:
            key = "same kid"
        if isinstance(key, Key):
            published.keys[jwk["kid"]] = key
        else:
            published.passed_over[key] += 1
    if not published.keys:
        # Most likely the issuer is starting, or this is another document: keep the known keys.
        raise KeySetError(f"none of its keys can be used ({published})")
    return published


def _key(jwk: dict[str, Any]) -> Key | Flaw:
    # As text, because the members can have any type, and a list cannot be a dictionary's key.
    kind = f"{jwk.get('kty')} {jwk.get('crv', '')}".strip()
    algorithms = ALGORITHMS.get(kind, ())
    if (flaw := _flaw(jwk, algorithms)) is not None:
        return flaw
    try:
        material = _PARSERS[kind](jwk)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return "malformed"
    if isinstance(material, RSAPublicKey) and not (
        material.key_size in _RSA_BITS and material.public_numbers().e < _LARGEST_EXPONENT
    ):
        return "weak"
    return Key(algorithms, material)


def _flaw(jwk: dict[str, Any], algorithms: tuple[str, ...]) -> Flaw | None:
    """Return why a key for these algorithms is not usable, or None."""
    kid = jwk.get("kid")
    against: tuple[tuple[Flaw, bool], ...] = (
        ("no kid", "kid" not in jwk),
        ("malformed", not isinstance(kid, str) or not 1 <= len(kid) <= MAX_KID_LENGTH),
        ("kind", not algorithms),
        ("use", not _is_for_verifying(jwk)),
        ("alg", "alg" in jwk and jwk["alg"] not in algorithms),
        ("private", "d" in jwk),  # published, so not secret
    )
    return next((flaw for flaw, found in against if found), None)


def _listed(counts: Mapping[Any, int]) -> str:
    return f" ({', '.join(f'{count} {name}' for name, count in counts.items())})" if counts else ""


def _is_for_verifying(jwk: dict[str, Any]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return (
        jwk.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
    )
