"""The format of the credentials file."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceflix.auth import userfile
from iceflix.runtime.errors import SetupError

PATH = Path("/x/users.json")
_values = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text()


@given(st.dictionaries(st.text(), st.dictionaries(st.text(), _values)))
def test_every_key_survives(entries: dict[str, dict[str, Any]]) -> None:
    """Ours or not."""
    assert userfile.decode(userfile.encode(entries), PATH) == entries


def test_letters_stay_readable() -> None:
    """UTF-8, not escapes."""
    assert (
        'Ñandú "el rápido"'.replace('"', '\\"')
        in userfile.encode({'Ñandú "el rápido"': {}}).decode()
    )


def test_half_a_character_survives_as_an_escape() -> None:
    """UTF-8 cannot express it."""
    data = b'{"ana": {"note": "\\ud800"}}'
    entries = userfile.decode(data, PATH)
    assert userfile.decode(userfile.encode(entries), PATH) == entries


def test_a_byte_order_mark_is_no_error() -> None:
    """Some editors write one."""
    assert userfile.decode(b"\xef\xbb\xbf{}", PATH) == {}


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"", "line 1, column 1"),
        (b'{\n "ana": {,}\n}', "line 2, column 10"),
        (b'{"ana": {"password_hash": "x"}\n', "line 2, column 1"),
        (b"{}\n{}", "line 2, column 1"),
        (b'{\n"a\xff": {}}', "line 2 is not UTF-8"),
        (b"[]", "line 1"),
        (b"null", "line 1"),
        (b'{"ana": "x"}', "entry of 'ana'"),
        (b'{"ana": null}', "entry of 'ana'"),
        ('{\n"bob": {},\n"\u00f1 \\"(": 3}'.encode(), "line 3: the entry of '\u00f1 \"('"),
        (b'{"\\u0061na": 3}', "cannot be used: the entry of 'ana'"),
        (b'{"ana": []}', "entry of 'ana'"),
        (b"[" * 100_000, "nests too deeply"),
        (b'{"ana": {"x": ' + b"9" * 5000 + b"}}", "too long a number"),
    ],
)
def test_a_malformed_file_is_located(data: bytes, where: str) -> None:
    """Line and column, and what to do."""
    with pytest.raises(SetupError) as caught:
        userfile.decode(data, PATH)
    assert where in str(caught.value)
    assert str(PATH) in str(caught.value)
    assert "add_user" in str(caught.value)


@pytest.mark.parametrize("name", ["ana", "ana@example.org", "Ñandú", "李", 'o"brien', "a b", "😀"])
def test_good_names(name: str) -> None:
    """Whatever people are called."""
    assert userfile.name_problem(name) == ""


@pytest.mark.parametrize("name", ["", " ", "\t", "a\nb", "a\x00", "\x7f", "x" * 256, "a\ud800"])
def test_bad_names(name: str) -> None:
    """What no one can type or no wire can carry."""
    assert userfile.name_problem(name)


def test_the_format_is_the_one_of_the_reference() -> None:
    """V71."""
    encoded = userfile.encode({"user": {"password_hash": "ab"}})
    assert json.loads(encoded) == {"user": {"password_hash": "ab"}}
