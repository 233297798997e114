"""Client addresses and their networks."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.types import Scope


def address_of(scope: Scope) -> str:
    """Return the client's address."""
    client = scope.get("client")
    return client[0] if client else ""


def authority(host: str, port: int) -> str:
    """Return host and port as in a URL (RFC 3986, section 3.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def unmapped(client: tuple[str, int] | None) -> tuple[str, int] | None:
    """Return the client with its IPv4 address, if it is IPv4-mapped (RFC 4291, section 2.5.5.2), as
    on a dual-stack socket.
    """
    if client is None or not client[0].startswith("::ffff:") or "." not in client[0]:
        return client
    return client[0].removeprefix("::ffff:"), client[1]


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """Return the network of an address: of IPv6 the /64, as each host has a whole one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        # Not an address, but a text of any length that a proxy passed on.
        return address if len(address) <= 64 else ""
    if not isinstance(parsed, IPv6Address):
        return address
    return str(parsed.ipv4_mapped or parsed.packed[:8].hex())


def network_of(scope: Scope) -> str:
    """Return the client's network."""
    return network(address_of(scope))


class Networks:
    """A set of addresses and networks."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ip_network(text) for text in networks]
        self._known: dict[str, bool] = {}

    def __contains__(self, address: str) -> bool:
        """Return whether it contains the address, which may be IPv4-mapped."""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= 1024:
                self._known.clear()
            known = self._known[address] = self._holds(address)
        return known

    def _holds(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:  # a Unix socket has none
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)
