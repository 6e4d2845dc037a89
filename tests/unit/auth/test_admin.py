"""Changing the credentials file (V71)."""

import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from iceflix.auth import admin, passwords
from iceflix.runtime.errors import InvalidRequest, SetupError
from tests.unit.auth.stage import SECRET

OTHER = passwords.digest(b"other")


def test_the_file_is_made_for_its_owner_only(tmp_path: Path) -> None:
    """Folders are made too."""
    path = tmp_path / "deep" / "users.json"
    assert admin.put_user(path, "ana", SECRET) is False
    assert json.loads(path.read_text()) == {"ana": {"password_hash": SECRET}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_password_is_replaced_and_everything_else_stays(tmp_path: Path) -> None:
    """V71: other users, other keys."""
    path = tmp_path / "users.json"
    others = {"Ñandú": {"password_hash": OTHER, "e-mail": "ñ@example.org"}, 'o"b': {"x": [1, None]}}
    path.write_text(json.dumps({**others, "ana": {"password_hash": OTHER, "note": "¡hola!"}}))
    assert admin.put_user(path, "ana", SECRET) is True
    assert json.loads(path.read_text()) == {
        **others,
        "ana": {"password_hash": SECRET, "note": "¡hola!"},
    }


@pytest.mark.parametrize(
    "name", ["ana", 'o"brien', "\\", "Ñandú", "李小龍", "😀", "a'b", "{}", "-"]
)
def test_any_name_can_be_added_and_removed(tmp_path: Path, name: str) -> None:
    """V71: UTF-8 and quotes."""
    path = tmp_path / "users.json"
    admin.put_user(path, "other", OTHER)
    admin.put_user(path, name, SECRET)
    assert json.loads(path.read_text(encoding="utf-8"))[name] == {"password_hash": SECRET}
    assert admin.remove_user(path, name)
    assert list(json.loads(path.read_text(encoding="utf-8"))) == ["other"]


def test_an_impossible_name_changes_nothing(tmp_path: Path) -> None:
    """Not even the folder."""
    path = tmp_path / "users.json"
    for name in ("", "a\nb", "x" * 300, "\udc80"):
        with pytest.raises(InvalidRequest):
            admin.put_user(path, name, SECRET)
    assert not path.exists()


def test_removing_nobody_leaves_the_file_alone(tmp_path: Path) -> None:
    """It is not rewritten."""
    path = tmp_path / "users.json"
    admin.put_user(path, "ana", SECRET)
    before = path.stat()
    assert admin.remove_user(path, "eva") is False
    assert path.stat().st_ino == before.st_ino


def test_the_list_says_who_cannot_sign_in(tmp_path: Path) -> None:
    """And how passwords are kept."""
    path = tmp_path / "users.json"
    assert admin.list_users(path) == []
    costly = passwords.ScryptHash.make(SECRET, b"0" * 16).encode()
    path.write_text(
        json.dumps({"ana": {"password_hash": SECRET}, "eva": {"password_hash": costly}, "leo": {}})
    )
    assert [(user.name, user.keeps) for user in admin.list_users(path)] == [
        ("ana", "sha256"),
        ("eva", "scrypt"),
        ("leo", "nothing"),
    ]


def test_a_malformed_file_is_not_overwritten(tmp_path: Path) -> None:
    """What may be mended by hand is not lost."""
    path = tmp_path / "users.json"
    path.write_text('{"ana": ')
    with pytest.raises(SetupError, match="line 1, column 9"):
        admin.put_user(path, "eva", SECRET)
    assert path.read_text() == '{"ana": '


def test_what_killed_writers_left_is_swept(tmp_path: Path) -> None:
    """Nothing else is."""
    path = tmp_path / "users.json"
    (tmp_path / ".users.json.abc.tmp").write_text("half")
    (tmp_path / ".other.json.abc.tmp").write_text("not ours")
    admin.put_user(path, "ana", SECRET)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        ".other.json.abc.tmp",
        "users.json",
        "users.json.lock",
    ]


def test_mode_owner_and_link_stay(tmp_path: Path) -> None:
    """The service goes on reading the file."""
    real = tmp_path / "real.json"
    admin.put_user(real, "ana", SECRET)
    real.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(real, 65534, 65534)
    link = tmp_path / "users.json"
    link.symlink_to(real)
    before = real.stat()
    admin.put_user(link, "eva", SECRET)
    after = real.stat()
    assert link.is_symlink()
    assert set(json.loads(real.read_text())) == {"ana", "eva"}
    assert (after.st_mode, after.st_uid) == (before.st_mode, before.st_uid)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With the property to change."""
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match=r"cannot write the credentials file .*; set Auth\.File"):
        admin.put_user(tmp_path / "file" / "users.json", "ana", SECRET)


def _add_many(path: Path, prefix: str) -> None:
    for number in range(20):
        admin.put_user(path, f"{prefix}{number}", SECRET)


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    """Four processes, one file."""
    path = tmp_path / "users.json"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_add_many, args=(path, prefix)) for prefix in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(json.loads(path.read_text())) == 80
