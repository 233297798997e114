"""How a connection to the database is protected: the sslmode that counts, and its TLS context."""

import ssl
from collections.abc import Mapping
from pathlib import Path

VERIFYING = ("verify-full", "verify-ca", "require")
"""The modes that verify the certificate. `require` means `verify-full`, as its users expect."""

ASKING_FOR_TLS = ("sslcert", "sslkey", "sslnegotiation", "sslpassword", "sslrootcert")


def mode_of(parameters: Mapping[str, str], *, local: bool) -> tuple[str, list[str]]:
    """Return the sslmode, and the faults of parameters that contradict it."""
    bound = parameters.get("channel_binding") == "require"
    asked = bound or any(name in parameters for name in ASKING_FOR_TLS)
    mode = parameters.get("sslmode", "disable" if local and not asked else "verify-full")
    if mode not in VERIFYING:
        faults = [
            f"{name} needs sslmode=verify-full, or verify-ca"
            for name in ASKING_FOR_TLS
            if name in parameters
        ]
        if bound:
            # asyncpg has no channel binding. Verifying the server's name and CA protects against
            # the same attack.
            faults.append("channel_binding=require needs sslmode=verify-full, or none at all")
        return mode, faults
    if mode == "verify-ca" and parameters.get("sslrootcert", "system") == "system":
        return mode, [
            (
                "sslmode=verify-ca needs sslrootcert, a file: "
                "the system's authorities vouch for anybody's name"
            )
        ]
    return "verify-full" if mode == "require" else mode, []


def context_of(mode: str, parameters: Mapping[str, str]) -> ssl.SSLContext:
    """Return the context of a mode that verifies. Raises OSError or ValueError for an unusable
    file.
    """
    roots = parameters.get("sslrootcert", "system")
    context = ssl.create_default_context(cafile=None if roots == "system" else roots)
    # Python 3.13 is stricter than libpq and refuses many private CAs' certificates. Trust a
    # certificate in the file even if its issuer is not in it.
    context.verify_flags = (
        context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN
    ) & ~ssl.VERIFY_X509_STRICT
    context.check_hostname = mode == "verify-full"
    context.set_alpn_protocols(["postgresql"])
    if "sslcert" in parameters:
        context.load_cert_chain(
            parameters["sslcert"], parameters.get("sslkey"), parameters.get("sslpassword", "")
        )
    return context


def system_roots() -> str:
    """Return the file of the system's CAs, if it is one: psycopg's own OpenSSL does not find it."""
    paths = ssl.get_default_verify_paths()
    candidates = [
        paths.cafile,
        paths.capath and f"{paths.capath}/ca-certificates.crt",
        "/etc/ssl/certs/ca-certificates.crt",
    ]
    return next((path for path in candidates if path and Path(path).is_file()), "system")
