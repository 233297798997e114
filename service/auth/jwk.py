"""JSON Web Keys (RFC 7517): a published document to public keys, each fixed to the algorithm it is
for.

What a token's header says never picks the algorithm; it may only agree with the key (RFC 8725,
sections 3.1 and 3.2).
"""

import json
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

MAX_KEYS = 100
MAX_KID_LENGTH = 255

# The kinds that are taken, each with every name of its one algorithm. RFC 9864 renamed Ed25519's.
ALGORITHMS = {"OKP Ed25519": ("EdDSA", "Ed25519"), "EC P-256": ("ES256",), "RSA": ("RS256",)}
_PARSERS = {
    "OKP Ed25519": OKPAlgorithm.from_jwk,
    "EC P-256": ECAlgorithm.from_jwk,
    "RSA": RSAAlgorithm.from_jwk,
}

# Below 2048 bits RSA is weak (RFC 7518, section 3.3); far above, verifying becomes work that
# anybody can order.
_RSA_BITS = range(2048, 8192 + 1)
_LARGEST_EXPONENT = 2**32


class KeySetError(Exception):
    """The document is not a key set that can be used. The message holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Key:
    """What verifies signatures, and every name that its algorithm goes by in a token's header."""

    algorithms: tuple[str, ...]
    material: Any


def keys_in(document: bytes) -> dict[str, Key]:
    """The usable keys of a key set by their `kid`; where two share one, the first stands.

    A key of another kind, another use or without a `kid` is passed over, as RFC 7517, section 5,
    has it. Raises KeySetError when this is no key set, or has more than MAX_KEYS keys.
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
    keys: dict[str, Key] = {}
    for jwk in listed:
        kid = jwk.get("kid") if isinstance(jwk, dict) else None
        if (
            isinstance(kid, str)
            and 1 <= len(kid) <= MAX_KID_LENGTH
            and (key := _key(jwk)) is not None
        ):
            keys.setdefault(kid, key)
    return keys


def _key(jwk: dict[str, Any]) -> Key | None:
    # As text, because anything may stand there, and a list is no dictionary's key.
    kind = f"{jwk.get('kty')} {jwk.get('crv', '')}".strip()
    algorithms = ALGORITHMS.get(kind)
    if (
        algorithms is None
        or not _is_for_verifying(jwk)
        or jwk.get("alg", algorithms[0]) not in algorithms
    ):
        return None
    if "d" in jwk:  # a private key that is published is anybody's
        return None
    try:
        material = _PARSERS[kind](jwk)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if isinstance(material, RSAPublicKey) and not (
        material.key_size in _RSA_BITS and material.public_numbers().e < _LARGEST_EXPONENT
    ):
        return None
    return Key(algorithms, material)


def _is_for_verifying(jwk: dict[str, Any]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return (
        jwk.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
    )
