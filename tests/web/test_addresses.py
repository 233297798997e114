"""Client addresses and their networks."""

import pytest

from service.web.addresses import network


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:0:1::7", "20010db800000001"),
        ("x" * 8000, ""),
        ("", ""),
    ],
)
def test_an_address_belongs_to_its_network(address: str, expected: str) -> None:
    """An address belongs to its network; a text that is no address has none, and long ones are
    dropped.
    """
    assert network(address) == expected
