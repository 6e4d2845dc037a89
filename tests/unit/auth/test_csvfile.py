"""Credentials as CSV: nothing is lost, nothing is run (F04, F18)."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceflix.auth import admin, csvfile, userfile
from iceflix.runtime.errors import SetupError

HASH = "a" * 64
PATH = Path("users.csv")
_names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
_risky = st.text("=+-@'\" ,;\t\r\n＝x", min_size=1, max_size=8)


@given(st.dictionaries(_names | _risky, st.sampled_from([HASH, "", "scrypt$x", "=1+1"])))
def test_what_is_written_is_read(users: dict[str, str]) -> None:
    """What is written is read, whatever the names are."""
    entries = {user: {"password_hash": stored} for user, stored in users.items()}
    assert csvfile.decode(csvfile.encode(entries)) == entries


@given(_names | _risky)
def test_no_cell_is_run_by_a_spreadsheet(user: str) -> None:
    """F18: formula injection."""
    text = csvfile.encode({user: {"password_hash": "=HYPERLINK()"}})
    for row in csv.reader(io.StringIO(text, newline="")):
        assert not any(cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t")) for cell in row)


@pytest.mark.parametrize(
    "text",
    [
        f"ana@x.org,{HASH}\n",
        f"ana@x.org,{HASH}",
        f"user,password_hash\r\nana@x.org,{HASH}\r\n\r\n",
        f"correo,clave\nana@x.org,{HASH}\n",
        f"user;hash\nana@x.org;{HASH}\n",
        f'"ana@x.org","{HASH}"\n',
    ],
)
def test_files_of_others_are_read(text: str) -> None:
    """Files of others are read: with a heading or without, quoted or not."""
    assert userfile.decode(text.encode("utf-8-sig"), PATH) == {"ana@x.org": {"password_hash": HASH}}


def test_further_cells_survive() -> None:
    """Further cells survive."""
    entries = csvfile.decode(f"ana@x.org,{HASH},Ana,+34 600\n")
    assert csvfile.encode(entries) == f"user,password_hash\nana@x.org,{HASH},Ana,'+34 600\n"
    assert csvfile.decode(csvfile.encode(entries)) == entries


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"ana\n", "line 1 has no hash"),
        (f"a@x.org,{HASH}\na@x.org,{HASH}\n".encode(), "line 2 names 'a@x.org' a second time"),
        (b'"ana,x\n', "line 1"),
        (b"\xff\xfe", "line 1 is not UTF-8"),
    ],
)
def test_a_bad_file_is_a_sentence(data: bytes, where: str) -> None:
    """A bad file is a sentence that says where."""
    with pytest.raises(SetupError, match=where):
        userfile.decode(data, PATH)


def test_the_administration_writes_either_format(tmp_path: Path) -> None:
    """The administration writes either format: the name of the file decides."""
    for name, beginning in (("users.csv", b"user,"), ("users.json", b"{")):
        path = tmp_path / name
        assert not admin.put_user(path, "ana, the first", HASH)
        assert admin.put_user(path, "ana, the first", "b" * 64)
        assert path.read_bytes().startswith(beginning)
        assert [user.name for user in admin.list_users(path)] == ["ana, the first"]
        assert admin.remove_user(path, "ana, the first")
