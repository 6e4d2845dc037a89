"""What a stream needs of whoever receives its packets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from iceflix.client.sentences import Sentence


@dataclass(frozen=True)
class Statistics:
    """What a player has received so far. Times in seconds, rates in bits per second.

    ``position`` is the place in the title, ``received`` the length of what has arrived: they differ
    when it began in the middle. ``silence``: since the last packet.
    """

    # pylint: disable=too-many-instance-attributes  # figures

    packets: int = 0
    lost: int = 0
    bits_per_second: float = 0.0
    position: float = 0.0
    received: float = 0.0
    duration: float | None = None
    silence: float = 0.0
    paused: bool = False


class Player(Protocol):
    """What receives the packets: ``receiver.Receiver``; tests have their own.

    ``bind``, ``start`` and ``rejoin`` may take a moment and run on a worker thread. They raise
    ClientError.
    """

    def bind(self, address: str) -> int:
        """Open the UDP ports on this address of ours; return the one to ask the stream for."""

    def start(self, source: str, ended: Callable[[Sentence | None], None]) -> None:
        """Play what arrives. ``ended`` is called once, from any thread, at the end.

        ``source`` is the session description, or a URL where that was wished for.
        """

    def pause(self, on: bool) -> None:
        """Hold the picture, or go on where it was held. ClientError where that cannot be."""

    def suspend(self, on: bool) -> None:
        """The server holds the packets back (or sends again): silence is no end meanwhile."""

    def moved(self, position: float) -> None:
        """The server sends what is at this position of the title, in seconds, from now on."""

    def rejoin(self, source: str) -> None:
        """Another server sends the same title from now on, and describes it like this.

        ClientError when it sends it in another way.
        """

    def stop(self) -> None:
        """Give everything back; harmless when repeated and before ``start``."""

    def statistics(self) -> Statistics:
        """Tell what has arrived; callable from any thread."""
