"""What has arrived, how fast, and how far into the title that is."""

import time
from dataclasses import dataclass

SECOND = 1_000_000_000
_RATE_SECONDS = 1.0


@dataclass
class Meter:
    """Counts on GStreamer's threads, read by others; times are monotonic seconds.

    ``origin`` is the position in the title of the frame whose time stamp is ``first_pts``.
    """

    # pylint: disable=too-many-instance-attributes  # figures

    bytes: int = 0
    heard_at: float | None = None
    passed_at: float = 0.0
    origin: float = 0.0
    before: float = 0.0  # seconds that had passed when the origin was set
    first_pts: int | None = None
    pts: int = 0
    arrived_pts: int = 0
    coming: tuple[int, float] | None = None  # after this time stamp comes this position
    window: tuple[float, int] = (0.0, 0)
    bits_per_second: float = 0.0

    def packet(self, size: int) -> None:
        """Count a packet."""
        self.bytes += size
        self.heard_at = time.monotonic()

    def passed(self, pts: int) -> None:
        """Note the time stamp of what goes on to the output."""
        coming = self.coming
        if coming is not None and pts > coming[0]:
            self.before, self.origin = self.received, coming[1]
            self.first_pts = self.coming = None
        if self.first_pts is None:
            self.first_pts = self.pts = pts
        self.pts = max(self.pts, pts)
        self.passed_at = time.monotonic()

    def moved(self, position: float) -> None:
        """The next frame to arrive is at this position."""
        if self.first_pts is None:
            self.origin = position
        else:
            self.coming = (self.arrived_pts, position)

    def wait(self) -> None:
        """Silence begins to count now."""
        if self.heard_at is not None:
            self.heard_at = self.passed_at = time.monotonic()

    def tick(self, now: float) -> None:
        """Work the rate out, about once a second."""
        since, count = self.window
        if now - since >= _RATE_SECONDS:
            if since:
                self.bits_per_second = (self.bytes - count) * 8 / (now - since)
            self.window = (now, self.bytes)

    @property
    def position(self) -> float:
        """Seconds into the title."""
        return self.origin + self._passed

    @property
    def received(self) -> float:
        """Seconds of it that have arrived."""
        return self.before + self._passed

    @property
    def _passed(self) -> float:
        return 0.0 if self.first_pts is None else (self.pts - self.first_pts) / SECOND
