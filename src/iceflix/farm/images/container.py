"""The lossless form of an image between two nodes, and between two workers. Pure.

The magic line, the length of a JSON header as four bytes (little end first), the header, zeros up
to a multiple of 64, then the pixels in rows: what NumPy has in memory, so that neither side spends
time on compression. The header keeps what the result needs of the source: format, profile, EXIF.
"""

import json
import math
from dataclasses import asdict, dataclass, field

MAGIC = b"IFXIMG1\n"
SUFFIX = ".ifx"
MAX_HEADER = 4 * 1024 * 1024
_START = len(MAGIC) + 4
_ALIGNMENT = 64
_DEPTHS = {"uint8": 1, "uint16": 2}


class BadContainer(ValueError):
    """Not the form described above, or truncated. ``str`` is the rest of a sentence."""


@dataclass(frozen=True)
class Origin:
    """What is kept of the source: its format's name, ICC profile and EXIF data (base64).

    gray: whether it had no colours; a profile is of no use when that changes.
    """

    format: str
    profile: str = ""
    exif: str = ""
    gray: bool = False


@dataclass(frozen=True)
class Pixels:
    """Shape (rows, columns[, channels]) and type (uint8 or uint16) of an array."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * _DEPTHS[self.dtype]


@dataclass(frozen=True)
class Header:
    """The header; ``offset`` is where the pixels begin."""

    pixels: Pixels
    origin: Origin
    offset: int = field(default=0, compare=False)

    def pack(self) -> bytes:
        """The bytes before the pixels."""
        content = {**asdict(self.pixels), "origin": asdict(self.origin)}
        text = json.dumps(content, separators=(",", ":")).encode("ascii")
        start = MAGIC + len(text).to_bytes(4, "little") + text
        return start + bytes(-len(start) % _ALIGNMENT)


def pixels_of(shape: object, dtype: object) -> Pixels:
    """Check a description that came from elsewhere. Raises BadContainer."""
    if not isinstance(shape, list | tuple) or not isinstance(dtype, str) or dtype not in _DEPTHS:
        raise BadContainer("its pixels are of no known kind")
    if not all(isinstance(number, int) and number > 0 for number in shape):
        raise BadContainer("its size makes no sense")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (3, 4)):
        raise BadContainer("its channels make no sense")
    return Pixels(tuple(shape), dtype)


def is_container(data: bytes | bytearray | memoryview) -> bool:
    """Whether these bytes begin as a container does."""
    return bytes(data[: len(MAGIC)]) == MAGIC


def unpack(data: bytes | bytearray | memoryview) -> Header:
    """Read the header of a whole container. Raises BadContainer."""
    if not is_container(data) or len(data) < _START:
        raise BadContainer("it is no intermediate image")
    length = int.from_bytes(data[len(MAGIC) : _START], "little")
    if length > MAX_HEADER or _START + length > len(data):
        raise BadContainer("it is truncated")
    try:
        content = json.loads(bytes(data[_START : _START + length]))
        pixels = pixels_of(content["shape"], content["dtype"])
        origin = Origin(**content["origin"])
    except BadContainer:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadContainer("its header makes no sense") from error
    if not all(isinstance(value, str | bool) for value in asdict(origin).values()):
        raise BadContainer("its header makes no sense")
    offset = _START + length + -(_START + length) % _ALIGNMENT
    if offset + pixels.size > len(data):
        raise BadContainer("it is truncated")
    return Header(pixels, origin, offset)
