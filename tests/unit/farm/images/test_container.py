"""The lossless form between nodes."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceflix.farm.images.container import (
    BadContainer,
    Header,
    Origin,
    Pixels,
    is_container,
    pixels_of,
    unpack,
)

ORIGIN = Origin("JPEG", profile="AAAA", exif="", gray=True)
SHAPES = st.one_of(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([3, 4])),
)


@given(SHAPES, st.sampled_from(["uint8", "uint16"]), st.text(alphabet="AB=", max_size=200))
def test_reads_what_it_writes(shape: tuple[int, ...], dtype: str, profile: str) -> None:
    """Reads what it writes."""
    header = Header(Pixels(shape, dtype), Origin("PNG", profile))
    start = header.pack()
    assert len(start) % 64 == 0
    whole = start + bytes(header.pixels.size)
    assert is_container(whole)
    found = unpack(whole)
    assert found == header
    assert found.offset == len(start)
    with pytest.raises(BadContainer, match="truncated"):
        unpack(whole[:-1])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"IFXIMG1\n",
        b"IFXIMG1\n\x05\0\0\0",
        b"IFXIMG1\n\x02\0\0\0{}",
        b"IFXIMG1\n\xff\xff\xff\x7f{}",
        b"\x89PNG\r\n\x1a\n" + bytes(64),
        b'IFXIMG1\n\x3f\0\0\0{"shape":[1,1],"dtype":"uint8","origin":{"format":1234567890}}',
    ],
)
def test_what_is_none_is_refused(data: bytes) -> None:
    """What is none is refused."""
    with pytest.raises(BadContainer):
        unpack(data)


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(tail: bytes) -> None:
    """Any bytes are read or refused."""
    start = Header(Pixels((1, 1), "uint8"), ORIGIN).pack()[:20]
    with contextlib.suppress(BadContainer):
        unpack(start + tail)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        (None, "uint8"),
        ([1], "uint8"),
        ([0, 1], "uint8"),
        ([-1, -1], "uint8"),
        ([1, 1, 2], "uint8"),
        ([1, 1, 3, 1], "uint8"),
        (["1", 1], "uint8"),
        ([1, 1], "float64"),
        ([1, 1], None),
        ([1, 1], ["uint8"]),
    ],
)
def test_descriptions_that_make_no_sense(shape: object, dtype: object) -> None:
    """Descriptions that make no sense."""
    with pytest.raises(BadContainer):
        pixels_of(shape, dtype)
