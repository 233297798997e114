"""Normalise origins (RFC 6454) of CORS_ORIGINS to the form that browsers send."""

import re
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\.?")
# Pages of these have the origin `null`, or none.
_WITHOUT = ("about", "blob", "data", "file", "ftp", "javascript", "ws", "wss")
_FORM = "is not an origin; write scheme://host or scheme://host:port, nothing after"
_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin(text: str) -> str:
    """Return the origin as browsers send it: lower case, Punycode, without a default port.

    Apps have schemes of their own (`capacitor://localhost`, `chrome-extension://…`). Raises
    ValueError for a text that no browser sends, without quoting it.
    """
    if text == "*":
        raise ValueError(
            "is `*`, which is refused: answers carry credentials, so origins are listed one by one"
        )
    if "*" in text:
        raise ValueError("has a `*`, which stands for nothing here: list the origins one by one")
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    try:
        parts = urlsplit(text)
        name, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(_FORM) from None
    if not separator or rest != parts.netloc or "@" in rest or not _SCHEME.fullmatch(scheme):
        raise ValueError(_FORM)
    if scheme in _WITHOUT:
        raise ValueError(f"is not an origin: nothing that {scheme}: names has one")
    host = _host(name)
    if port is None or port == _DEFAULT_PORTS.get(scheme):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{port}"


def _host(name: str) -> str:
    # Browsers write an address in one way alone.
    last = name.removesuffix(".").rpartition(".")[2]
    try:
        if ":" in name:
            return f"[{IPv6Address(name).compressed}]"
        if _NUMBER.fullmatch(last):
            return str(IPv4Address(name))
    except ValueError:
        raise ValueError("has a host that is no IP address") from None
    if not name.isascii():
        name = _in_punycode(name)
    if not _NAME.fullmatch(name):
        raise ValueError(_FORM)
    return name


def _in_punycode(name: str) -> str:
    import idna  # noqa: PLC0415 - a large table that few installations need

    try:
        return idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError("has a host that is no name of the DNS") from None
