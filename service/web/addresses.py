"""Addresses of clients, and whom they stand for."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from starlette.types import Scope


def address_of(scope: Scope) -> str:
    """The client's address."""
    client = scope.get("client")
    return client[0] if client else ""


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """Whose address it is: of IPv6 the /64, because everybody there has that many addresses."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    return str(parsed.ipv4_mapped or parsed.packed[:8].hex())


def network_of(scope: Scope) -> str:
    """The network of the client."""
    return network(address_of(scope))
