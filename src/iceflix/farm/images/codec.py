"""Bytes to pixels and back. Runs in sandboxed workers only: decoders are a way in for attackers.

Pillow reads headers (nothing is decoded before the size is known to be allowed); OpenCV decodes
and encodes, for it is twice as fast, except GIF and the encoding of TIFF, where Pillow keeps more.
Pixels are BGR or BGRA or gray, 8 or 16 bits deep, upright (EXIF orientation applied).
"""
# pylint: disable=no-member  # the functions of cv2 live in its binary

import base64
import binascii
import io
import struct
import warnings
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from iceflix.farm.images.container import Origin

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
QUALITY = 95  # of JPEG and WebP; what OpenCV takes for good
MAX_PROFILE = 2 * 1024 * 1024
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "PPM": ".ppm"}
_WITH_METADATA = ("JPEG", "PNG", "WEBP")
_DEEP = ("PNG", "TIFF", "PPM")  # those that keep 16 bits
_CLEAR = ("PNG", "WEBP", "TIFF")  # those that keep transparency by degrees
_ORIENTATION = 0x0112
# Description, maker, model, software, date, artist, copyright; then EXIF proper and GPS
_DESCRIPTIVE = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
_PARTS = (0x8769, 0x8825)
_PNG_START = 8

Image.MAX_IMAGE_PIXELS = None  # the limits are ours, see _allowed


class UnusableImage(Exception):
    """Not an image, damaged, or over the limits. ``str`` is the rest of a sentence."""


@dataclass(frozen=True)
class Bounds:
    """The most pixels that are decoded, and whether EXIF data is passed on."""

    pixels: int
    keep_metadata: bool = True


def decode(data: memoryview, bounds: Bounds) -> tuple[np.ndarray, Origin]:
    """Decode an image file. Raises UnusableImage."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata; nobody would read them
        return _decode(data, bounds)


def _decode(data: memoryview, bounds: Bounds) -> tuple[np.ndarray, Origin]:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as header:
            kind = "JPEG" if header.format == "MPO" else str(header.format)
            _allowed(header, kind, bounds)
            exif = _exif(header)
            profile = header.info.get("icc_profile") or b""
            upright = kind == "TIFF"  # both libraries turn it themselves
            pixels = _pixels(header, data, kind)
    except (UnusableImage, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise UnusableImage("is not an image of a known format") from error
    except Exception as error:  # decoders raise anything for data that are made to confuse them
        raise UnusableImage("is damaged: it cannot be decoded") from error
    if not upright:
        pixels = _turn(pixels, int(exif.get(_ORIENTATION, 1) or 1))
    if len(profile) > MAX_PROFILE or header.mode == "CMYK":
        profile = b""
    kept = _kept(exif) if bounds.keep_metadata else b""
    return pixels, Origin(
        kind,
        base64.b64encode(profile).decode("ascii"),
        base64.b64encode(kept if len(kept) <= MAX_PROFILE else b"").decode("ascii"),
        gray=pixels.ndim == 2,
    )


def encode(pixels: np.ndarray, origin: Origin) -> memoryview:
    """Encode in the source's format. Raises UnusableImage.

    What the format cannot hold is given up: a transparent JPEG is laid on white, 16 bits become 8.
    A profile stays only while gray stays gray and colour stays colour.
    """
    kind = origin.format
    if kind not in FORMATS:
        raise UnusableImage(f"is of a format that cannot be written: {kind[:20]}")
    pixels = _fitting(pixels, kind)
    gray = pixels.ndim == 2
    profile, exif = _decoded(origin.profile), _decoded(origin.exif)
    if origin.gray != gray:
        profile = b""
    try:
        if kind in ("GIF", "TIFF"):
            return _encode_pillow(pixels, kind, profile, exif)
        return _encode_opencv(pixels, kind, profile, exif)
    except (OSError, ValueError, cv2.error) as error:
        raise UnusableImage(f"cannot be written as {kind}") from error


def _allowed(header: Image.Image, kind: str, bounds: Bounds) -> None:
    """Raise UnusableImage for what is not decoded. Looks at the header only."""
    width, height = header.size
    if width * height > bounds.pixels:
        raise UnusableImage(
            f"is too large: {width} x {height} pixels; at most {bounds.pixels} in all are allowed"
        )
    frames = 1 if header.format == "MPO" else getattr(header, "n_frames", 1)
    if frames > 1:
        raise UnusableImage(f"holds {frames} pictures; only single ones can be filtered")
    if kind == "TIFF" and header.mode.startswith("F"):
        raise UnusableImage("has pixels of a kind that filters do not know: floating point")


def _exif(header: Image.Image) -> Image.Exif:
    """EXIF data, empty when they cannot be read: they are not worth losing the picture."""
    try:
        return header.getexif()
    except (OSError, ValueError, SyntaxError, struct.error, KeyError, TypeError):
        return Image.Exif()


def _kept(exif: Image.Exif) -> bytes:
    """What of the EXIF data is still true of another picture: neither orientation nor sizes."""
    kept = Image.Exif()
    for tag in _DESCRIPTIVE:
        if tag in exif:
            kept[tag] = exif[tag]
    try:
        for tag in _PARTS:
            if inner := exif.get_ifd(tag):
                kept[tag] = inner
        return kept.tobytes() if len(kept) else b""
    except (OSError, ValueError, SyntaxError, struct.error, KeyError, TypeError):
        return b""


def _pixels(header: Image.Image, data: memoryview, kind: str) -> np.ndarray:
    if kind == "GIF":
        clear = "transparency" in header.info
        array = np.asarray(header.convert("RGBA" if clear else "RGB"))
        return cv2.cvtColor(array, cv2.COLOR_RGBA2BGRA if clear else cv2.COLOR_RGB2BGR)
    if kind == "PNG":
        _check_png(data)
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise UnusableImage("is damaged or truncated: it cannot be decoded")
    if found.dtype not in (np.uint8, np.uint16):
        raise UnusableImage(f"has pixels of a kind that filters do not know: {found.dtype}")
    if found.shape[0] * found.shape[1] != header.size[0] * header.size[1]:
        raise UnusableImage("is damaged: its headers contradict each other")
    return np.asarray(found)


def _check_png(data: memoryview) -> None:
    """Look for the last chunk: decoders accept a picture whose end is missing."""
    position = _PNG_START
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        if bytes(data[position + 4 : position + 8]) == b"IEND":
            return
        position += 12 + length
    raise UnusableImage("is truncated: it cannot be decoded")


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation (1 to 8): mirror first, then turn."""
    if orientation in (2, 4, 5, 7):
        pixels = cv2.flip(pixels, 1)
    codes = {
        3: cv2.ROTATE_180,
        4: cv2.ROTATE_180,
        5: cv2.ROTATE_90_COUNTERCLOCKWISE,
        6: cv2.ROTATE_90_CLOCKWISE,
        7: cv2.ROTATE_90_CLOCKWISE,
        8: cv2.ROTATE_90_COUNTERCLOCKWISE,
    }
    code = codes.get(orientation)
    return pixels if code is None else np.asarray(cv2.rotate(pixels, code))


def _fitting(pixels: np.ndarray, kind: str) -> np.ndarray:
    """The same picture in what the format can hold."""
    if pixels.dtype == np.uint16 and kind not in _DEEP:
        pixels = (pixels >> 8).astype(np.uint8)
    if pixels.ndim == 3 and pixels.shape[2] == 4 and kind not in (*_CLEAR, "GIF"):
        white = np.iinfo(pixels.dtype).max
        clear = pixels[:, :, 3:].astype(np.float32) / white
        laid = pixels[:, :, :3] * clear + white * (1 - clear)
        pixels = np.rint(laid).astype(pixels.dtype)
    return np.ascontiguousarray(pixels)


def _encode_opencv(pixels: np.ndarray, kind: str, profile: bytes, exif: bytes) -> memoryview:
    options = []
    if kind == "JPEG":
        options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    elif kind == "WEBP":
        options = [cv2.IMWRITE_WEBP_QUALITY, QUALITY]
    suffix = ".pgm" if kind == "PPM" and pixels.ndim == 2 else _SUFFIXES[kind]
    kinds, values = [], []
    if exif:
        kinds.append(cv2.IMAGE_METADATA_EXIF)
        values.append(np.frombuffer(exif.removeprefix(b"Exif\0\0"), np.uint8))
    if profile:
        kinds.append(cv2.IMAGE_METADATA_ICCP)
        values.append(np.frombuffer(profile, np.uint8))
    if kinds and kind in _WITH_METADATA:
        good, encoded = cv2.imencodeWithMetadata(suffix, pixels, kinds, values, options)
    else:
        good, encoded = cv2.imencode(suffix, pixels, options)
    if not good:
        raise UnusableImage(f"cannot be written as {kind}")
    return _bytes(encoded)


def _encode_pillow(pixels: np.ndarray, kind: str, profile: bytes, exif: bytes) -> memoryview:
    if kind == "TIFF" and pixels.dtype == np.uint16 and pixels.ndim == 3:
        # Pillow has no such mode; the profile is lost here
        return _bytes(cv2.imencode(".tiff", pixels)[1])
    if pixels.ndim == 3:
        clear = pixels.shape[2] == 4
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA if clear else cv2.COLOR_BGR2RGB)
    stream = io.BytesIO()
    extra = {"compression": "tiff_lzw", "exif": exif} if kind == "TIFF" else {}
    Image.fromarray(pixels).save(stream, kind, icc_profile=profile or None, **extra)
    return stream.getbuffer()


def _bytes(encoded: object) -> memoryview:
    return np.asarray(encoded).data.cast("B")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
