"""Folders that are full or read-only: real file systems, for root only."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from iceflix.farm.images.folder import FolderStore
from iceflix.farm.images.store import StoreError
from iceflix.farm.sandbox.limits import Limits
from iceflix.farm.workshop import Workshop
from tests.integration.farm_workshop import do, put_image, shipped, work_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount"),
]


@pytest.fixture(name="small")
def small_fixture(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_share(small: Path) -> None:
    """A clear error, nothing torn, and it works again once there is room."""
    put_image(small)
    workshop = Workshop(FolderStore(str(small)), Limits(pixels=4_000_000), 1)
    try:
        large = shipped("resize:scale=8")
        result = do(workshop, work_of("cat.png", large, "large.png"))
        assert (result.good, result.reason) == (False, "FALLO_DE_FILTRO")
        assert result.detail == f"the image folder {small} is full"
        assert [path.name for path in small.iterdir()] == ["cat.png"]
        assert do(workshop, work_of("cat.png", shipped("gray"), "gray.png")).good
    finally:
        workshop.stop()


def test_a_full_share_keeps_the_older_result(small: Path) -> None:
    """Replacing is all or nothing."""
    store = FolderStore(str(small))
    store.write("result.png", b"old")
    with pytest.raises(StoreError, match="is full"):
        store.write("result.png", bytes(300_000))
    assert store.read("result.png", 10) == b"old"
    assert [path.name for path in small.iterdir()] == ["result.png"]


def test_a_read_only_share(small: Path) -> None:
    """Reading goes on, writing says why not."""
    put_image(small)
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    store = FolderStore(str(small))
    assert store.exists("cat.png")
    with pytest.raises(StoreError, match="is read-only"):
        store.write("out.png", b"x")
    with pytest.raises(StoreError, match="is read-only"):
        store.write(".iceflix/work/j/x.ifx", b"x")
