"""What a filter and an image may cost."""

from dataclasses import dataclass

from iceflix.runtime.errors import SetupError
from iceflix.runtime.settings import Settings

FULL = "full"
REDUCED = "reduced"
_MEGABYTE = 1024 * 1024
_BYTES_PER_PIXEL = 8  # four channels of 16 bits
_SPARE = 8 * _MEGABYTE  # for the header of a container


@dataclass(frozen=True)
class Limits:
    """Bounds of one task.

    seconds: for each step, decoding and encoding being steps too, of wall-clock time.
    megabytes: of memory of a worker's own, beyond what its libraries take.
    pixels, file_bytes: of an image and its file. keep_metadata: pass EXIF data on to the result.
    isolation: "full", or "reduced" where bubblewrap cannot work: then only resource limits and the
    filter of system calls protect, and filters can open no file at all.
    store_seconds: for reading or writing one image.
    """

    seconds: float = 10.0
    megabytes: int = 1024
    pixels: int = 64_000_000
    file_bytes: int = 128 * _MEGABYTE
    keep_metadata: bool = True
    isolation: str = FULL
    store_seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.isolation not in (FULL, REDUCED):
            raise SetupError(f"Farm.Isolation must be full or reduced, not {self.isolation!r}")

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """The limits that the properties Farm.* ask for. Raises SetupError."""
        return cls(
            seconds=settings.seconds("Farm.FilterSeconds"),
            megabytes=settings.integer("Farm.FilterMegabytes"),
            pixels=settings.integer("Farm.MaxPixels"),
            file_bytes=settings.integer("Farm.MaxBytes"),
            keep_metadata=settings.flag("Farm.KeepMetadata"),
            isolation=settings.text("Farm.Isolation"),
        )

    @property
    def arena_bytes(self) -> int:
        """Size of the memory that a worker shares with its host; it is sparse."""
        return max(self.file_bytes, self.pixels * _BYTES_PER_PIXEL) + _SPARE

    @property
    def memory_bytes(self) -> int:
        """The worker's own memory, in bytes."""
        return self.megabytes * _MEGABYTE
