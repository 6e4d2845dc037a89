"""What the first run brings, and what it never touches."""

import stat
from pathlib import Path

import pytest

from iceflix.auth.credentials import Credentials
from iceflix.auth.userfile import decode
from iceflix.farm.samples import bring_images
from iceflix.ops import firstrun
from iceflix.runtime.errors import SetupError
from iceflix.runtime.settings import Settings


def test_the_demonstration_user_can_sign_in(tmp_path: Path) -> None:
    """With the password that the sentence names; the file is private."""
    said = firstrun.bring_users(Settings(tmp_path, {}))
    file = tmp_path / "users.json"
    assert "demo" in said and "iceflix" in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    credentials = Credentials.of(decode(file.read_bytes(), file))
    digest = firstrun.demo_entries()["demo"]["password_hash"]
    assert credentials.verify("demo", digest)


def test_whether_the_demonstration_user_is_alone(tmp_path: Path) -> None:
    """Told without reading the file (F04)."""
    settings = Settings(tmp_path, {})
    assert not firstrun.only_demo(settings)
    firstrun.bring_users(settings)
    assert firstrun.only_demo(settings)
    file = tmp_path / "users.json"
    file.write_text(file.read_text().replace("demo", "somebody"))
    assert not firstrun.only_demo(settings)


def test_nothing_of_the_users_is_touched(tmp_path: Path) -> None:
    """An existing file or folder, or another place given (V12: a missing file is an error)."""
    (tmp_path / "users.json").write_text("x")
    (tmp_path / "media").mkdir()
    assert firstrun.bring_users(Settings(tmp_path, {})) == ""
    assert firstrun.bring_sample(Settings(tmp_path, {})) == ""
    assert (tmp_path / "users.json").read_text() == "x"
    elsewhere = {"Auth.File": str(tmp_path / "a"), "Media.Folder": str(tmp_path / "b")}
    assert firstrun.bring_users(Settings(tmp_path, elsewhere)) == ""
    assert firstrun.bring_sample(Settings(tmp_path, elsewhere)) == ""
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["media", "users.json"]


def test_the_sample(tmp_path: Path) -> None:
    """Whole, alone, under its name; without it the folder is there all the same."""
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    said = firstrun.bring_sample(Settings(tmp_path / "one", {}), film)
    assert "sample video" in said
    (copied,) = (tmp_path / "one/media").iterdir()
    assert (copied.name, copied.read_bytes()) == ("film.mp4", b"film")
    said = firstrun.bring_sample(Settings(tmp_path / "two", {}), tmp_path / "none.mp4")
    assert "put videos into" in said
    assert (tmp_path / "two/media").is_dir()


def test_the_sample_pictures(tmp_path: Path) -> None:
    """Into a folder that was not there; never into one that was, or another one given."""
    settings = Settings(tmp_path, {})
    assert "sample pictures are in" in bring_images(settings)
    names = sorted(file.name for file in (tmp_path / "images").iterdir())
    assert names == ["landscape.jpg", "shapes.png"]
    (tmp_path / "images/shapes.png").unlink()
    assert bring_images(settings) == ""
    assert not (tmp_path / "images/shapes.png").exists()
    elsewhere = Settings(tmp_path / "two", {"Farm.Images": str(tmp_path / "b")})
    assert bring_images(elsewhere) == ""
    assert "put pictures into" in bring_images(Settings(tmp_path / "three", {}), ())


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "home").write_text("")
    settings = Settings(tmp_path / "home", {})
    with pytest.raises(SetupError, match="cannot write"):
        firstrun.bring_users(settings)
    with pytest.raises(SetupError, match="cannot write"):
        firstrun.bring_sample(settings)
    with pytest.raises(SetupError, match="cannot write"):
        bring_images(settings)
