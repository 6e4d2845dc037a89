"""Folders and other file systems as image stores; a share of Samba has tests of its own."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from iceflix.farm.images.folder import FolderStore
from iceflix.farm.images.naming import InvalidPath
from iceflix.farm.images.remote import RemoteStore
from iceflix.farm.images.samba import SambaStore
from iceflix.farm.images.store import ImageStore, StoreError
from iceflix.runtime.errors import InvalidRequest, SetupError


@pytest.fixture(name="root")
def root_fixture(tmp_path: Path) -> Path:
    """A share with an image, a folder and traps."""
    root = tmp_path / "share"
    (root / "inner").mkdir(parents=True)
    (root / "cat.jpg").write_bytes(b"cat")
    (root / "inner" / "dog.jpg").write_bytes(b"dog")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (root / "out.jpg").symlink_to("../secret.jpg")
    (root / "outer").symlink_to("..")
    (root / "far.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "near.jpg").symlink_to("inner/dog.jpg")
    (root / "loop.jpg").symlink_to("loop.jpg")
    (root / "null.jpg").symlink_to("/dev/null")
    os.mkfifo(root / "pipe.jpg")
    return root


@pytest.fixture(name="store", params=["folder", "file", "memory", "local"])
def store_fixture(request: pytest.FixtureRequest, root: Path) -> Iterator[ImageStore]:
    """The same operations on each kind of store."""
    url = {
        "folder": str(root),
        "file": root.as_uri(),
        "memory": "memory://share",
        "local": f"local://{root}",
    }[request.param]
    store = ImageStore.from_url(url)
    if request.param == "memory":
        memory = fsspec.filesystem("memory")
        memory.pipe_file("/share/cat.jpg", b"cat")
        memory.pipe_file("/share/inner/dog.jpg", b"dog")
    yield store
    if request.param == "memory":
        memory.rm("/share", recursive=True)


def test_kinds_of_stores(tmp_path: Path) -> None:
    """Kinds of stores."""
    assert isinstance(ImageStore.from_url(str(tmp_path)), FolderStore)
    assert isinstance(ImageStore.from_url(f"file://{tmp_path}"), FolderStore)
    assert isinstance(ImageStore.from_url("memory://x"), RemoteStore)
    assert isinstance(ImageStore.from_url("smb://u:p@host/share"), SambaStore)
    assert "pass" not in ImageStore.from_url("smb://user:pass@host:4445/share/in").label
    for url in ("nothing://x/y", "smb://host", "smb:///share", "smb://host:x/share"):
        with pytest.raises(SetupError):
            ImageStore.from_url(url)


def test_reads_writes_and_replaces(store: ImageStore) -> None:
    """Reads writes and replaces."""
    assert store.read("cat.jpg", 10) == b"cat"
    assert store.read("inner/dog.jpg", 3) == b"dog"
    for data in (b"one", b"another"):
        store.write("inner/dog__gray.jpg", data)
        assert store.read("inner/dog__gray.jpg", 10) == data
    store.write("cat__gray.jpg", memoryview(b"view"))
    assert store.read("cat__gray.jpg", 10) == b"view"
    assert store.exists("cat__gray.jpg")
    assert store.result_path("cat.jpg", [("gray", {})]) == "cat__gray.jpg"
    assert store.resolve("inner/./dog.jpg") == "inner/dog.jpg"


def test_a_file_may_have_so_many_bytes(store: ImageStore) -> None:
    """A file may have so many bytes."""
    with pytest.raises(InvalidRequest, match="has more than 2 bytes"):
        store.read("cat.jpg", 2)


def test_what_does_not_exist(store: ImageStore) -> None:
    """What does not exist."""
    for path in ("dog.jpg", "no/dog.jpg", "cat.jpg/x", "inner", "../secret.jpg", "/etc/passwd", ""):
        assert not store.exists(path), path
        with pytest.raises(InvalidPath):
            store.resolve(path)
        with pytest.raises(InvalidPath):
            store.read(path, 10)


def test_intermediate_results_come_and_go(store: ImageStore) -> None:
    """Intermediate results come and go."""
    store.write(".iceflix/work/job/1.ifx", b"pixels")
    store.write(".iceflix/work/job/2.ifx", b"pixels")
    assert store.read(".iceflix/work/job/1.ifx", 10) == b"pixels"
    for _ in range(2):
        store.remove_tree(".iceflix/work/job")
        assert not store.exists(".iceflix/work/job/1.ifx")
    for path in ("inner", ".iceflix", ".iceflix/work", ".iceflix/work/a/b", "../x"):
        with pytest.raises(InvalidPath):
            store.remove_tree(path)
    assert store.exists("inner/dog.jpg")


@pytest.mark.parametrize("path", ["out.jpg", "far.jpg", "outer/secret.jpg", "null.jpg", "loop.jpg"])
def test_links_that_lead_out(root: Path, path: str) -> None:
    """F09: as if it were not there."""
    store = FolderStore(str(root))
    assert not store.exists(path)
    with pytest.raises(InvalidPath):
        store.read(path, 10)
    with pytest.raises(InvalidPath):
        store.write("outer/evil.jpg", b"x")
    assert not (root.parent / "evil.jpg").exists()


def test_links_that_stay(root: Path) -> None:
    """Links that stay."""
    assert FolderStore(str(root)).read("near.jpg", 10) == b"dog"


def test_what_is_no_file(root: Path) -> None:
    """A pipe would hold us up for ever."""
    store = FolderStore(str(root))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket.jpg"))
        for path in ("pipe.jpg", "socket.jpg"):
            assert not store.exists(path)
            with pytest.raises(InvalidPath, match="is not a file"):
                store.read(path, 10)


def test_a_result_replaces_a_link_and_not_what_it_names(root: Path) -> None:
    """Sources are never written, not even by way of a link."""
    store = FolderStore(str(root))
    store.write("near.jpg", b"result")
    assert (root / "inner" / "dog.jpg").read_bytes() == b"dog"
    assert store.read("near.jpg", 10) == b"result"


def test_no_folder_is_made_outside_its_own(root: Path) -> None:
    """No folder is made outside its own."""
    with pytest.raises(InvalidPath):
        FolderStore(str(root)).write("new/cat.jpg", b"x")
    assert not (root / "new").exists()


def test_a_share_that_goes_away_and_comes_back(root: Path) -> None:
    """A share that goes away and comes back."""
    store = FolderStore(str(root))
    away = root.rename(root.with_name("away"))
    for operation in (
        lambda: store.exists("cat.jpg"),
        lambda: store.read("cat.jpg", 10),
        lambda: store.write("x.jpg", b"x"),
        lambda: store.write(".iceflix/work/j/x.ifx", b"x"),
    ):
        with pytest.raises(StoreError, match=r"is not there; is it mounted\?"):
            operation()
    assert not root.exists()
    away.rename(root)
    assert store.read("cat.jpg", 10) == b"cat"


def test_what_killed_processes_left_is_swept_away(root: Path) -> None:
    """Only when it is old, only under names that nothing else has, and never through a link."""
    store = ImageStore.from_url(str(root))
    mark = "0123456789abcdef"
    young, old = root / f".iceflix-{mark}.tmp", root / "inner" / f".iceflix-{mark}.tmp"
    other = root / "inner" / ".iceflix-mine.tmp"
    linked = root.parent / f".iceflix-{mark}.tmp"  # behind the link "outer"
    done, under_way = (root / ".iceflix/work" / name for name in ("job1", "job2"))
    for folder in (done, under_way):
        folder.mkdir(parents=True)
        (folder / "0.ifx").write_bytes(b"x")
    for file in (young, old, other, linked):
        file.write_bytes(b"x")
    for path in (old, other, linked, done, root / "cat.jpg"):
        os.utime(path, (1, 1))
    assert store.sweep(60) == 2
    assert not old.exists() and not done.exists()
    kept = (young, other, linked, under_way / "0.ifx", root / "cat.jpg")
    assert all(path.exists() for path in kept)


def test_remains_in_other_stores(tmp_path: Path) -> None:
    """The same wherever a store tells how old its files are; a share that is away is left alone."""
    mark = "0123456789abcdef"
    names = (f".iceflix-{mark}.tmp", f"inner/.iceflix-{mark}.tmp", ".iceflix/work/job1/0.ifx")
    old, young = tmp_path / "old", tmp_path / "young"
    for folder in (old, young):
        for name in (*names, "cat.jpg", "inner/.iceflix-mine.tmp"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"x")
            os.utime(folder / name, (1, 1) if folder == old else None)
    assert ImageStore.from_url(f"local://{old}").sweep(60) == 3
    assert ImageStore.from_url(f"local://{young}").sweep(60) == 0
    left = [file for file in old.rglob("*") if file.is_file()]
    assert sorted(file.name for file in left) == [".iceflix-mine.tmp", "cat.jpg"]
    assert all((young / name).exists() for name in names)
    assert ImageStore.from_url("memory://share").sweep(60) == 0
    assert ImageStore.from_url(f"local://{tmp_path}/away").sweep(60) == 0
