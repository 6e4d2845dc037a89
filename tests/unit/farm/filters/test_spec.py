"""What a filter's file says about itself, without running it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceflix.farm.filters.spec import MAX_CODE, FilterSpec, Parameter, read_spec
from iceflix.runtime.errors import InvalidRequest

GOOD = b'''"""About the file."""
from typing import Annotated, Literal
import typing
import numpy as np
WHOLE = True
raise SystemExit("this must never run")

def apply(
    image: np.ndarray,
    radius: Annotated[float, (0.1, 50)] = 2,
    turns: typing.Annotated[int, (1, 3)] = 1,
    side: Literal["left", "right"] = "left",
    loud: bool = False,
    *,
    offset: float = -1.5,
    plain="text",
) -> np.ndarray:
    """Do something.

    More about it.
    """
    return image
'''


def of(parameters: str, documentation: str = '"""Do."""') -> bytes:
    """A filter's file with these parameters."""
    return f"def apply({parameters}):\n    {documentation}\n    return image\n".encode()


def test_reads_parameters_bounds_words_and_documentation() -> None:
    """Reads parameters bounds words and documentation."""
    spec = read_spec("good", GOOD)
    assert spec.parameters == (
        Parameter("radius", float, 2.0, (0.1, 50.0)),
        Parameter("turns", int, 1, (1.0, 3.0)),
        Parameter("side", str, "left", None, ("left", "right")),
        Parameter("loud", bool, False),
        Parameter("offset", float, -1.5),
        Parameter("plain", str, "text"),
    )
    assert spec.summary == "Do something."
    assert spec.whole
    assert [str(one) for one in spec.parameters][:3] == [
        "radius: float = 2.0 (0.1 .. 50)",
        "turns: int = 1 (1 .. 3)",
        "side: str = left (left, right)",
    ]


def test_values_are_what_was_given_or_defaults() -> None:
    """Values are what was given or defaults."""
    spec = read_spec("good", GOOD)
    given_values = {"radius": "4", "turns": "3", "side": "right", "loud": "yes"}
    assert spec.values(given_values) == {
        "radius": 4.0,
        "turns": 3,
        "side": "right",
        "loud": True,
        "offset": -1.5,
        "plain": "text",
    }
    assert spec.values({"loud": "0"})["loud"] is False


@pytest.mark.parametrize(
    ("given_values", "sentence"),
    [
        ({"size": "3"}, "the filter good has no parameter size; it has radius, turns"),
        ({"radius": "x"}, "radius of good must be a number, not 'x'; for example good:radius=2.0"),
        ({"radius": "0"}, "must lie between 0.1 and 50"),
        ({"radius": "nan"}, "must be a finite number"),
        ({"offset": "inf"}, "must be a finite number"),
        ({"turns": "1.5"}, "turns of good must be a whole number"),
        ({"turns": "4"}, "must lie between 1 and 3"),
        ({"side": "up"}, "must be one of left, right"),
        ({"loud": "perhaps"}, "must be yes or no"),
    ],
)
def test_values_are_checked(given_values: dict[str, str], sentence: str) -> None:
    """Values are checked."""
    with pytest.raises(InvalidRequest, match=sentence.replace("(", r"\(")):
        read_spec("good", GOOD).values(given_values)


def test_a_filter_without_parameters_says_so() -> None:
    """A filter without parameters says so."""
    with pytest.raises(InvalidRequest, match="has no parameter radius; it has none"):
        read_spec("plain", of("image")).values({"radius": "1"})


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (b"", "bad must define one function: def apply"),
        (b"\xff\xfe", "bad is not text in UTF-8"),
        (b"def apply(image)\n", "bad is not Python: line 1"),
        (b"x = 1\0", "bad is not Python"),
        (b"apply = lambda image: image", "must define one function"),
        (b"async def apply(image):\n    'Do.'\n", "must be a plain function"),
        (b"@cache\ndef apply(image):\n    'Do.'\n", "must be a plain function"),
        (of("image", "pass"), "line 1: apply needs a docstring"),
        (of(""), "first parameter is the image"),
        (of("image=None"), "first parameter is the image"),
        (of("image, *rest"), "must be named"),
        (of("image, **rest"), "must be named"),
        (of("image, /"), "must be named"),
        (of("image, radius"), "the parameter radius needs a default"),
        (of("image, *, radius: int"), "the parameter radius needs a default"),
        (of("image, radius: int = 1.5"), "the default of radius is not of type int"),
        (of("image, loud: bool = 1"), "the default of loud is not of type bool"),
        (of("image, radius: int = True"), "the default of radius is not of type int"),
        (of("image, radius: float = f()"), "a type and a default that are plain"),
        (of("image, radius: complex = 1j"), "a type and a default that are plain"),
        (of("image, radius: Annotated[int, (3, 1)] = 2"), "a type and a default that are plain"),
        (of("image, radius: Annotated[int] = 2"), "a type and a default that are plain"),
        (of("image, radius: Literal[1, 2] = 2"), "a type and a default that are plain"),
        (of("image, radius: Annotated[int, (1, 3)] = 4"), "default of radius must lie between"),
        (of("image, Radius: int = 1"), "must be written in small letters"),
        (of("image, " + ",".join(f"p{i}=1" for i in range(17))), "more than 16 parameters"),
        (b"#" * (MAX_CODE + 1), "a filter may have 65536"),
        (b"x = " + b"(" * 150 + b")" * 150, "must define|not Python|nested"),
        (b"x = " + b"-" * 60000 + b"1", "must define|nested too deeply|not Python"),
    ],
)
def test_says_what_is_wrong(code: bytes, sentence: str) -> None:
    """Says what is wrong."""
    with pytest.raises(InvalidRequest, match=sentence):
        read_spec("bad", code)


def test_the_name_is_checked() -> None:
    """The name is checked."""
    for name in ("", "Blur", "a-b", "../x", "a" * 33, "é"):
        with pytest.raises(InvalidRequest, match="cannot be a filter's name"):
            read_spec(name, GOOD)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(code: bytes) -> None:
    """Any bytes are read or refused."""
    try:
        assert isinstance(read_spec("any", code), FilterSpec)
    except InvalidRequest as error:
        assert str(error)
