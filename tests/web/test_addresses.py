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
def test_networks(address: str, expected: str) -> None:
    """An address stands for its network; text that is no address stands for nobody, and is not
    kept, however long a proxy lets it be.
    """
    assert network(address) == expected
