"""Addresses in Ice's texts."""

import socket

import pytest

from iceflix.contract import Ice
from iceflix.ops.endpoints import Address, listening_addresses
from iceflix.runtime.errors import SetupError


def test_addresses_in_endpoints(ice: Ice.Communicator) -> None:
    """Every way to write them."""
    for text, expected in {
        "tcp -p 10010": [Address("127.0.0.1", 10010)],  # the test's Ice.Default.Host
        'tcp -h 192.0.2.1 -p 1:tcp -h "::1" -p 2': [Address("192.0.2.1", 1), Address("::1", 2)],
        "tcp": [Address("127.0.0.1", 0)],
    }.items():
        assert listening_addresses(ice, text, "Main.Endpoints") == expected


def test_nonsense_is_named(ice: Ice.Communicator) -> None:
    """With the property that holds it."""
    with pytest.raises(SetupError, match=r"Main\.Endpoints.*is no list of endpoints"):
        listening_addresses(ice, "nonsense -p", "Main.Endpoints")


def test_local_and_listened() -> None:
    """Here, elsewhere; free, taken."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert Address("127.0.0.1", port).listened
        assert Address("", port).listened
        assert "process" in Address("127.0.0.1", port).owner
    assert not Address("127.0.0.1", port).listened
    assert Address("", 0).local and Address("0.0.0.0", 0).local and Address("127.0.0.1", 0).local
    assert not Address("192.0.2.1", 0).local
    assert not Address("no.such.host.invalid", 0).local
