"""Packets on their way to another program: one stream of RTP, whoever sends it.

Players take a change of sender badly: another source number, other sequence numbers and time
stamps mean another stream to them (RFC 3550, 5.1). So what a new sender sends is renumbered to go
on where the one before ended. Pure.
"""

import struct

_HEADER = struct.Struct("!HII")  # sequence number, time stamp, source; after the first two bytes
_SHORTEST = 12  # bytes of a packet


class Continuity:
    """Renumbers the packets of one track. ``clock_rate`` is that of its time stamps, in Hz."""

    # pylint: disable=too-few-public-methods  # it has one thing to do

    def __init__(self, clock_rate: int) -> None:
        self._rate = clock_rate
        self._source: int | None = None  # of the present sender
        self._first: int = 0  # of the first sender: what everybody's packets are to bear
        self._shift = (0, 0)  # of sequence numbers and time stamps
        self._last = (0, 0, 0.0)  # as sent: sequence number, time stamp, moment

    def packet(self, packet: bytes, now: float) -> bytes:
        """Return the packet as the program is to see it; ``now`` is in seconds."""
        if len(packet) < _SHORTEST:
            return packet
        sequence, stamp, source = _HEADER.unpack_from(packet, 2)
        if source != self._source:
            if self._source is None:
                self._first = source
            else:
                number, moment, at = self._last
                passed = int((now - at) * self._rate)
                self._shift = (number + 1 - sequence, moment + passed - stamp)
            self._source = source
        sequence, stamp = (sequence + self._shift[0]) % 2**16, (stamp + self._shift[1]) % 2**32
        self._last = (sequence, stamp, now)
        if self._shift == (0, 0):
            return packet
        return packet[:2] + _HEADER.pack(sequence, stamp, self._first) + packet[_SHORTEST:]
