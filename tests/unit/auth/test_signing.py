"""The seal on tokens and the file with its key."""

import base64
import multiprocessing
import os
import stat
import string
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceflix.auth.signing import TOKEN_CHARACTERS, TokenSeal, load_key
from iceflix.runtime.errors import SetupError

SEAL = TokenSeal(b"k" * 32)
TOKEN = SEAL.seal(b'["ana",1.5]')


@given(st.binary(max_size=1500))
def test_what_is_sealed_opens(payload: bytes) -> None:
    """Any payload."""
    text = SEAL.seal(payload)
    assert text.isascii()
    assert SEAL.open(text) == payload


@given(st.text())
def test_nothing_else_opens(text: str) -> None:
    """Whatever the text."""
    assert SEAL.open(text) is None


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(string.printable + "é€😀\ud800"))
def test_no_character_may_change(position: int, character: str) -> None:
    """V16: not one, at no place."""
    changed = TOKEN[:position] + character + TOKEN[position + 1 :]
    assert (SEAL.open(changed) is None) is (changed != TOKEN)


@given(st.integers(0, len(TOKEN) - 1))
def test_truncated_tokens_do_not_open(length: int) -> None:
    """V16: at either end."""
    assert SEAL.open(TOKEN[:length]) is None
    assert SEAL.open(TOKEN[length + 1 :]) is None


def test_the_last_character_cannot_vary() -> None:
    """Several last characters decode to the same signature; only one is right."""
    body, _, signature = TOKEN.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "=")
    alphabet = string.ascii_letters + string.digits + "-_"
    twins = [
        f"{body}.{signature[:-1]}{last}"
        for last in alphabet
        if base64.urlsafe_b64decode(f"{signature[:-1]}{last}=") == raw
    ]
    assert len(twins) > 1, "base64 is malleable here"
    assert [text for text in twins if SEAL.open(text) is not None] == [TOKEN]


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "x",
        "=",
        TOKEN.upper(),
        TOKEN.lower(),
        TOKEN.swapcase(),
        f" {TOKEN}",
        f"{TOKEN}\n",
        f"{TOKEN}=",
        f"{TOKEN}.",
        f".{TOKEN}",
        f"{TOKEN}{TOKEN}",
        TOKEN.replace(".", "．"),
        "\ud800",
        "\0",
        "ñ" * 100,
        "x" * 1_000_000,
        "." * 1_000_000,
        "é" * 1_000_000,
    ],
)
def test_impostors(text: str) -> None:
    """V16: other case, additions, odd alphabets, sizes; none raises."""
    assert SEAL.open(text) is None


def test_another_key_opens_nothing() -> None:
    """The key decides."""
    assert TokenSeal(b"j" * 32).open(TOKEN) is None


def test_a_version_is_no_seal() -> None:
    """The two uses of the key are kept apart."""
    assert SEAL.open(SEAL.version("ana", "x")) is None
    assert SEAL.version("ana", "x") != TokenSeal(b"j" * 32).version("ana", "x")


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_versions_differ(user: str, stored: str, user2: str, stored2: str) -> None:
    """For every user and every stored hash."""
    same = (user, stored) == (user2, stored2)
    assert (SEAL.version(user, stored) == SEAL.version(user2, stored2)) is same


def test_the_longest_name_makes_a_token_that_fits() -> None:
    """The bound on tokens refuses no honest one."""
    assert len(SEAL.seal(("\\" * 255 + "😀" * 255 + "x" * 120).encode())) < TOKEN_CHARACTERS


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    """Mode 0600, in a folder that is made too."""
    path = tmp_path / "deep" / "token.key"
    key = load_key(path)
    assert len(key) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(path) == key
    assert load_key(tmp_path / "other.key") != key


def _load_with_others(path: Path, barrier: Barrier) -> None:
    barrier.wait()
    key = load_key(path)
    path.with_name(f"seen-{os.getpid()}").write_bytes(key)


def test_many_that_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    """Eight processes, one key."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(8)
    path = tmp_path / "token.key"
    starters = [context.Process(target=_load_with_others, args=(path, barrier)) for _ in range(8)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    seen = [file.read_bytes() for file in tmp_path.glob("seen-*")]
    assert seen == [load_key(path)] * 8
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o601])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    """With the command that mends it."""
    path = tmp_path / "token.key"
    load_key(path)
    path.chmod(mode)
    with pytest.raises(SetupError, match=f"chmod 600 {path}"):
        load_key(path)


@pytest.mark.parametrize("content", [b"", b"short", b"\n" * 100, b"x" * 5000])
def test_an_unusable_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """And left as it is."""
    path = tmp_path / "token.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SetupError, match="no usable key"):
        load_key(path)
    assert path.read_bytes() == content


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    """The property is named."""
    with pytest.raises(SetupError, match=r"Auth\.KeyFile"):
        load_key(tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Path and reason."""
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match=r"cannot use the key file .*file/token\.key"):
        load_key(tmp_path / "file" / "token.key")


def test_white_space_around_a_copied_key_does_not_count(tmp_path: Path) -> None:
    """Editors add line ends."""
    key = load_key(tmp_path / "a.key")
    copy = tmp_path / "b.key"
    copy.write_bytes(key + b"\r\n")
    copy.chmod(0o600)
    assert load_key(copy) == key
