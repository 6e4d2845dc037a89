"""What our defaults make of Ice."""

import contextlib
import socket
import time
from pathlib import Path

import pytest

from iceflix.contract import Ice
from iceflix.runtime.communicator import initialize
from iceflix.runtime.settings import Settings

pytestmark = pytest.mark.slow

# Protocol 1.0, encoding 1.0, type 3: the message by which a server lets its client begin.
_VALIDATE_CONNECTION = b"IceP" + bytes([1, 0, 1, 0, 3, 0]) + (14).to_bytes(4, "little")
_PATIENCE_SECONDS = 30.0  # Ice itself waits for 60


def test_who_hangs_keeps_nobody_from_leaving(tmp_path: Path) -> None:
    """A peer that never confirms the end of a connection delays the end by seconds."""
    communicator = initialize(Settings.of(tmp_path))
    with contextlib.ExitStack() as stack:
        stack.callback(communicator.destroy)
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = server.getsockname()[1]
        call = communicator.stringToProxy(f"hung:tcp -h 127.0.0.1 -p {port}")
        assert call is not None
        asked = call.ice_invocationTimeout(1000).ice_pingAsync()
        peer, _ = server.accept()
        stack.enter_context(peer)
        peer.sendall(_VALIDATE_CONNECTION)
        with pytest.raises(Ice.InvocationTimeoutException):
            asked.result()
        began = time.monotonic()
        communicator.destroy()
        assert time.monotonic() - began < _PATIENCE_SECONDS
