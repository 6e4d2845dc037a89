"""The password of the image store: from where it comes, and where it never stands."""

from pathlib import Path

import pytest

from iceflix.farm.images.access import VARIABLE, hand_down, hidden, open_store
from iceflix.farm.images.samba import SambaStore
from iceflix.runtime.errors import SetupError
from iceflix.runtime.settings import Settings

URL = "smb://ana@127.0.0.1:445/share"


@pytest.fixture(name="passwords", autouse=True)
def _passwords(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that Samba stores were made with."""
    made: list[str] = []

    def init(_self: SambaStore, _url: str, password: str = "") -> None:
        made.append(password)

    monkeypatch.setattr(SambaStore, "__init__", init)
    monkeypatch.delenv(VARIABLE, raising=False)
    return made


def _settings(home: Path, url: str = URL, **more: str) -> Settings:
    values = {f"Farm.{key}": value for key, value in more.items()}
    return Settings.of(home, {"Farm.Images": url, **values})


def _secret(file: Path, text: bytes = b"s3cr3t\r\nmore\n") -> Path:
    file.write_bytes(text)
    file.chmod(0o600)
    return file


def test_it_comes_from_a_file_or_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passwords: list[str]
) -> None:
    """The file's first line; the environment wins; a URL with a password needs neither."""
    open_store(_settings(tmp_path))
    _secret(tmp_path / "images.password")
    open_store(_settings(tmp_path))
    elsewhere = _secret(tmp_path / "elsewhere", "señal".encode())
    open_store(_settings(tmp_path, ImagesPasswordFile=str(elsewhere)))
    monkeypatch.setenv(VARIABLE, "inherited")
    open_store(_settings(tmp_path))
    open_store(_settings(tmp_path, "smb://ana:own@127.0.0.1:445/share"))
    open_store(_settings(tmp_path, "smb://127.0.0.1:445/share"))
    assert passwords == ["", "s3cr3t", "señal", "inherited", "", ""]


def test_a_file_that_is_no_good_is_said(tmp_path: Path) -> None:
    """Others can read it, it is not there, it is no text; unless nobody needs it."""
    file = _secret(tmp_path / "images.password", b"\xff\n")
    with pytest.raises(SetupError, match="not UTF-8"):
        open_store(_settings(tmp_path))
    file.chmod(0o644)
    with pytest.raises(SetupError, match="chmod 600"):
        open_store(_settings(tmp_path))
    missing = str(tmp_path / "missing")
    with pytest.raises(SetupError, match=r"missing does not exist; Farm\.ImagesPasswordFile"):
        open_store(_settings(tmp_path, ImagesPasswordFile=missing))
    open_store(_settings(tmp_path, str(tmp_path), ImagesPasswordFile=missing))


@pytest.mark.parametrize(
    ("url", "seen", "password"),
    [
        ("smb://ana:p%40ss:w@host:4445/a share", "smb://ana@host:4445/a share", "p@ss:w"),
        ("sftp://ana:x@[::1]/y@z:1", "sftp://ana@[::1]/y@z:1", "x"),
        ("smb://ana@host/share", "smb://ana@host/share", ""),
        ("smb://host/a:b@c", "smb://host/a:b@c", ""),
        ("/a:b@c", "/a:b@c", ""),
        ("smb://[x", "smb://[x", ""),
        ("", "", ""),
    ],
)
def test_what_children_are_told(
    url: str, seen: str, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their arguments name the user; the password is in their environment."""
    secret = {VARIABLE: password} if password else {}
    assert hidden({"Farm.Images": url, "x": "y"}) == ({"Farm.Images": seen, "x": "y"}, secret)
    assert hidden({"x": "y"}) == ({"x": "y"}, {})
    environment: dict[str, str] = {}
    monkeypatch.setattr("os.environ", environment)
    assert hand_down({"Farm.Images": url})["Farm.Images"] == seen
    assert environment == secret
