"""Decoding and encoding: formats, depth, transparency, orientation, profiles, damage."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from iceflix.farm.images.codec import FORMATS, Bounds, UnusableImage, decode, encode
from iceflix.farm.images.container import Origin
from tests.golden.make import source
from tests.golden.ssim import ssim

BOUNDS = Bounds(1_000_000)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def picture(mode: str = "RGB") -> Image.Image:
    """The test picture, for Pillow."""
    return Image.fromarray(source()[:, :, ::-1]).convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> memoryview:
    """The picture's file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getbuffer()


def opened(data: memoryview) -> Image.Image:
    """A file, for Pillow: a second opinion."""
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("kind", FORMATS)
def test_the_format_is_kept(kind: str) -> None:
    """The format is kept."""
    pixels, origin = decode(saved(picture(), kind), BOUNDS)
    assert origin.format == kind
    result = opened(encode(pixels, origin))
    assert result.format == kind
    assert result.size == (120, 80)
    assert ssim(np.asarray(result.convert("RGB"))[:, :, ::-1].copy(), source()) > 0.7


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "PPM"])
def test_lossless_formats_lose_nothing(kind: str) -> None:
    """Lossless formats lose nothing."""
    data = saved(picture(), kind)
    pixels, origin = decode(data, BOUNDS)
    assert np.array_equal(pixels, source())
    again, _ = decode(encode(pixels, origin), BOUNDS)
    assert np.array_equal(again, pixels)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparency_is_kept(kind: str) -> None:
    """Transparency is kept."""
    image = picture("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    pixels, origin = decode(saved(image, kind, **options), BOUNDS)
    assert pixels.shape == (80, 120, 4)
    result = opened(encode(pixels, origin))
    assert result.mode == "RGBA"
    assert np.array_equal(np.asarray(result)[:, :, 3], np.asarray(image)[:, :, 3])


def test_a_format_without_transparency_gets_white() -> None:
    """A format without transparency gets white."""
    clear = np.zeros((20, 20, 4), np.uint8)
    result = opened(encode(clear, Origin("BMP")))
    assert result.getpixel((3, 3)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
@pytest.mark.parametrize("colour", [True, False])
def test_sixteen_bits_are_kept(kind: str, colour: bool) -> None:
    """Sixteen bits are kept."""
    deep = source().astype(np.uint16) * 257 + 3
    deep = deep if colour else deep[:, :, 1].copy()
    suffix = {"PNG": ".png", "TIFF": ".tiff", "PPM": ".ppm" if colour else ".pgm"}[kind]
    data = memoryview(cv2.imencode(suffix, deep)[1].tobytes())
    pixels, origin = decode(data, BOUNDS)
    assert np.array_equal(pixels, deep)
    again, _ = decode(encode(pixels, origin), BOUNDS)
    assert np.array_equal(again, deep)


def test_sixteen_bits_become_eight_where_they_must() -> None:
    """Sixteen bits become eight where they must."""
    deep = np.full((20, 20), 0x80FF, np.uint16)
    assert opened(encode(deep, Origin("JPEG"))).getpixel((3, 3)) == 0x80


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "CMYK"])
def test_every_kind_of_pixel_is_understood(mode: str) -> None:
    """Every kind of pixel is understood."""
    image = picture("RGB").convert(mode)
    kind = "JPEG" if mode == "CMYK" else "PNG"
    pixels, origin = decode(saved(image, kind), BOUNDS)
    assert pixels.dtype == np.uint8
    assert pixels.shape[:2] == (80, 120)
    result = opened(encode(pixels, origin)).convert("RGB")
    wanted = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(np.asarray(result).astype(int) - wanted).mean() < 12


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_forgotten(kind: str, orientation: int) -> None:
    """Orientation is applied and forgotten."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "IceCam"
    data = saved(picture(), kind, exif=exif.tobytes())
    upright = ImageOps.exif_transpose(opened(data)).convert("RGB")
    pixels, origin = decode(data, BOUNDS)
    wanted = np.ascontiguousarray(np.asarray(upright)[:, :, ::-1])
    assert ssim(pixels, wanted) > 0.98
    result = opened(encode(pixels, origin))
    assert result.size == upright.size
    assert result.getexif().get(0x0112, 1) == 1
    assert result.getexif()[0x010F] == "IceCam"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_colour_profile_is_kept(kind: str) -> None:
    """The colour profile is kept."""
    pixels, origin = decode(saved(picture(), kind, icc_profile=PROFILE), BOUNDS)
    assert opened(encode(pixels, origin)).info["icc_profile"] == PROFILE
    gray = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    assert not opened(encode(gray, origin)).info.get("icc_profile")


def test_metadata_can_be_left_out() -> None:
    """Metadata can be left out."""
    exif = Image.Exif()
    exif[0x010F] = "IceCam"
    data = saved(picture(), "JPEG", exif=exif.tobytes(), icc_profile=PROFILE)
    pixels, origin = decode(data, Bounds(1_000_000, keep_metadata=False))
    result = opened(encode(pixels, origin))
    assert not result.getexif()
    assert result.info["icc_profile"] == PROFILE


def bomb() -> memoryview:
    """A PNG of 30,000 x 30,000 pixels in less than a kilobyte... as far as it goes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(3751 * 100), 9)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return memoryview(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_images_are_refused(kind: str) -> None:
    """Damaged images are refused."""
    whole = saved(picture(), kind)
    for size in (0, 1, 10, len(whole) // 2, len(whole) * 9 // 10):
        with pytest.raises(UnusableImage, match=r"is not an image|damaged|truncated"):
            decode(whole[:size], BOUNDS)


@pytest.mark.parametrize("kind", FORMATS)
@given(data=st.data())
def test_changed_bytes_give_an_image_or_a_reason(kind: str, data: st.DataObject) -> None:
    """F46."""
    changed = bytearray(saved(picture().resize((24, 16)), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(changed) - 1))
        changed[place] = data.draw(st.integers(0, 255))
    try:
        pixels, origin = decode(memoryview(changed), BOUNDS)
    except UnusableImage as error:
        assert str(error).isprintable()
    else:
        assert opened(encode(pixels, origin)).format == origin.format


def test_what_is_no_single_image_is_refused() -> None:
    """F46."""
    with pytest.raises(UnusableImage, match="is too large: 30000 x 30000 pixels"):
        decode(bomb(), BOUNDS)
    with pytest.raises(UnusableImage, match="is not an image of a known format"):
        decode(memoryview(b"<svg></svg>" * 30), BOUNDS)
    moving = saved(picture(), "GIF", save_all=True, append_images=[picture().rotate(90)])
    with pytest.raises(UnusableImage, match="holds 2 pictures"):
        decode(moving, BOUNDS)
    with pytest.raises(UnusableImage, match="floating point"):
        decode(saved(picture("F"), "TIFF"), BOUNDS)


def test_a_format_that_is_not_ours_is_not_written() -> None:
    """A format that is not ours is not written."""
    with pytest.raises(UnusableImage, match="cannot be written"):
        encode(source(), Origin("EXE"))
    assert opened(encode(source(), Origin("PNG", profile="no base64 !"))).format == "PNG"
