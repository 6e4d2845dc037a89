"""Reading the credentials file, again and again (V12, V13, V15, V72)."""

import json
import os
import threading
from pathlib import Path

import pytest

from iceflix.auth.credentials import Credentials, CredentialStore
from iceflix.auth.passwords import ScryptHash, digest
from iceflix.runtime.errors import SetupError
from tests.unit.auth.stage import SECRET, write_users

OTHER = digest(b"other")


def test_only_the_right_digest_of_a_known_user_is_right() -> None:
    """V15; nothing raises."""
    credentials = Credentials.of({"ana": {"password_hash": SECRET}})
    assert credentials.verify("ana", SECRET)
    for user, candidate in [
        ("ana", OTHER),
        ("ana", ""),
        ("ana", "secret"),
        ("ana", SECRET.upper()),
        ("ana", SECRET[:-1]),
        ("ana", "x" * 1_000_000),
        ("ana", "\ud800"),
        ("Ana", SECRET),
        ("", SECRET),
        ("nobody", SECRET),
        ("nobody", "0" * 64),
        ("x" * 1_000_000, SECRET),
        ("\ud800", SECRET),
    ]:
        assert not credentials.verify(user, candidate), (user[:9], candidate[:9])


@pytest.mark.parametrize(
    "entry", [{}, {"password_hash": ""}, {"password_hash": None}, {"password_hash": "secret"}]
)
def test_an_entry_without_a_usable_hash_lets_nobody_in(entry: dict[str, object]) -> None:
    """V15; the others sign in."""
    credentials = Credentials.of({"ana": entry, "eva": {"password_hash": SECRET}})
    for candidate in ("", "secret", "None", "0" * 64, SECRET):
        assert not credentials.verify("ana", candidate)
    assert credentials.closed == ["ana"]
    assert credentials.verify("eva", SECRET)


def test_a_name_that_cannot_travel_lets_nobody_in() -> None:
    """A token could not carry it."""
    credentials = Credentials.of({"a\ud800": {"password_hash": SECRET}})
    assert not credentials.verify("a\ud800", SECRET)


def test_an_unknown_user_costs_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in hash computations, not in seconds."""
    worked: list[str] = []
    real = ScryptHash.matches

    def counted(self: ScryptHash, candidate: str) -> bool:
        worked.append(candidate)
        return real(self, candidate)

    monkeypatch.setattr(ScryptHash, "matches", counted)
    costly = ScryptHash.make(SECRET, b"0" * 16).encode()
    credentials = Credentials.of(
        {"ana": {"password_hash": costly}, "eva": {"password_hash": SECRET}}
    )
    for user, right in (("ana", True), ("eva", True), ("nobody", False)):
        worked.clear()
        assert credentials.verify(user, SECRET) is right
        assert len(worked) == 1


def opened(path: Path) -> tuple[CredentialStore, list[Credentials]]:
    """A store, and what it has given out."""
    adopted: list[Credentials] = []
    return CredentialStore(path, adopted.append), adopted


def test_a_missing_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    """V12."""
    with pytest.raises(SetupError, match=r"no credentials file .*users\.json; create it with"):
        opened(tmp_path / "users.json")


def test_a_malformed_file_is_located(tmp_path: Path) -> None:
    """V12."""
    path = tmp_path / "users.json"
    path.write_text('{\n  "ana": oops\n}')
    with pytest.raises(SetupError, match=r"users\.json cannot be used: line 2, column 10"):
        opened(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """The property is named."""
    with pytest.raises(SetupError, match=r"Is a directory; set Auth\.File"):
        opened(tmp_path)


def test_a_change_is_noticed_and_rest_is_not(users_file: Path) -> None:
    """One reading per change."""
    store, adopted = opened(users_file)
    assert not store.freshen()
    write_users(users_file, ana="other", eva="hidden")
    assert store.freshen()
    assert not store.freshen()
    assert len(adopted) == 2
    assert store.credentials is adopted[-1]
    assert store.credentials.verify("ana", OTHER)


def test_a_replacement_of_the_same_size_and_time_is_noticed(users_file: Path) -> None:
    """The inode tells."""
    store, _ = opened(users_file)
    before = users_file.stat()
    new = users_file.with_suffix(".new")
    write_users(new, ana="other!", eva="hidden")
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(users_file)
    assert store.freshen()


def test_the_old_list_stays_while_the_file_is_bad(users_file: Path) -> None:
    """V72: malformed or gone, told once."""
    store, _ = opened(users_file)
    good = users_file.read_bytes()
    for spoil in (lambda: users_file.write_text("{"), users_file.unlink):
        spoil()
        with pytest.raises(SetupError):
            store.freshen()
        assert not store.freshen(), "told once"
        assert store.credentials.verify("ana", SECRET)
        with pytest.raises(SetupError):
            store.reload()
    users_file.write_bytes(good)
    assert store.freshen()


def test_nobody_is_told_that_an_old_list_is_fresh(users_file: Path) -> None:
    """A thread that asks while another one reads waits for the new list."""
    reading, go_on = threading.Event(), threading.Event()
    first: list[Credentials] = []

    def adopt(credentials: Credentials) -> None:
        if first:
            reading.set()
            assert go_on.wait(10)
        first.append(credentials)

    store = CredentialStore(users_file, adopt)
    write_users(users_file, eva="hidden")
    reader = threading.Thread(target=store.freshen)
    reader.start()
    assert reading.wait(10)
    seen: list[bool] = []

    def ask() -> None:
        store.freshen()
        seen.append("ana" in store.credentials.accounts)

    asker = threading.Thread(target=ask)
    asker.start()
    assert not seen
    go_on.set()
    reader.join(10)
    asker.join(10)
    assert seen == [False]


def test_the_file_is_never_written(users_file: Path) -> None:
    """V13."""
    store, _ = opened(users_file)
    before = users_file.stat()
    content = users_file.read_bytes()
    for _ in range(1000):
        store.credentials.verify("ana", SECRET)
        store.freshen()
    assert users_file.read_bytes() == content
    assert users_file.stat().st_mtime_ns == before.st_mtime_ns
    assert json.loads(content)
