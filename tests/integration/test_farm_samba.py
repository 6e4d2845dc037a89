"""The image store on a real Samba share, served as root and as an ordinary user (F05)."""

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import smbclient

from iceflix.farm.filters.signing import Signer
from iceflix.farm.images.access import VARIABLE
from iceflix.farm.images.naming import InvalidPath
from iceflix.farm.images.samba import SambaStore
from iceflix.farm.images.store import ImageStore, StoreError
from iceflix.farm.launch import Plan
from iceflix.farm.sandbox.limits import Limits
from iceflix.farm.workshop import Workshop
from iceflix.runtime.errors import InvalidRequest
from tests.conftest import Broker
from tests.integration.farm_samba import PASSWORD, SMBD, Samba
from tests.integration.farm_workshop import (
    do,
    load_image,
    open_to_all,
    put_image,
    reference,
    shipped,
    work_of,
)
from tests.integration.ring_stage import Stage

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(SMBD is None, reason="samba is not installed"),
    pytest.mark.filterwarnings("ignore:.*(RC4|ARC4|TripleDES).*"),
]


def served(folder: Path, as_nobody: bool) -> Iterator[Samba]:
    """Serve a share in a folder that anybody may enter."""
    open_to_all(folder)
    samba = Samba(folder, as_nobody)
    samba.start()
    yield samba
    samba.stop()


@pytest.fixture(name="samba", scope="module", params=["root", "nobody"])
def samba_fixture(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Samba]:
    """A running server."""
    if request.param == "nobody" and os.geteuid():
        pytest.skip("served by an ordinary user already")
    yield from served(tmp_path_factory.mktemp("samba"), request.param == "nobody")


@pytest.fixture(name="store")
def store_fixture(samba: Samba) -> SambaStore:
    """A store on it, with an image."""
    for path in samba.share.iterdir():
        subprocess.run(["rm", "-rf", str(path)], check=True)
    (samba.share / "inner").mkdir()
    (samba.share / "cat.jpg").write_bytes(b"cat")
    (samba.share / "inner" / "señal 日.jpg").write_bytes(b"dog")
    for path in (samba.share / "inner", *samba.share.rglob("*")):
        path.chmod(0o777)
    store = ImageStore.from_url(samba.url)
    assert isinstance(store, SambaStore)
    return store


def test_what_killed_processes_left_is_swept_away(samba: Samba, store: SambaStore) -> None:
    """Only when it is old, only under names that nothing else has, and never through a link."""
    mark = "0123456789abcdef"
    done, under_way = (samba.share / ".iceflix/work" / name for name in ("job1", "job2"))
    for folder in (done, under_way):
        folder.mkdir(parents=True)
        (folder / "0.ifx").write_bytes(b"x")
    young, old = samba.share / f".iceflix-{mark}.tmp", samba.share / f"inner/.iceflix-{mark}.tmp"
    other = samba.share / "inner" / ".iceflix-mine.tmp"
    for file in (young, old, other):
        file.write_bytes(b"x")
    open_to_all(samba.share)
    for path in samba.share.rglob("*"):
        path.chmod(0o777)
    for path in (old, other, done, samba.share / "cat.jpg"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert store.sweep(60) == 2
    assert not old.exists() and not done.exists()
    assert all(path.exists() for path in (young, other, under_way / "0.ifx"))
    assert store.sweep(60) == 0


def test_reads_writes_and_replaces(samba: Samba, store: SambaStore) -> None:
    """Names in any script; what is written is seen by everybody."""
    assert store.read("cat.jpg", 10) == b"cat"
    assert store.read("inner/señal 日.jpg", 10) == b"dog"
    for data in (b"one", b"another" * 500_000):
        store.write("inner/señal 日__gray.jpg", data)
        assert (samba.share / "inner" / "señal 日__gray.jpg").read_bytes() == data
        assert store.read("inner/señal 日__gray.jpg", 10_000_000) == data
    assert not list(samba.share.rglob(".iceflix*"))
    with pytest.raises(InvalidRequest, match="has more than 2 bytes"):
        store.read("cat.jpg", 2)
    assert PASSWORD not in store.label


def test_paths_that_name_no_image(samba: Samba, store: SambaStore) -> None:
    """F09, with links that smbd is asked to follow."""
    (samba.share / "out.jpg").symlink_to("/etc/hostname")
    (samba.share / "outer").symlink_to("/etc")
    os.mkfifo(samba.share / "pipe.jpg", 0o666)
    hostile = ["dog.jpg", "no/dog.jpg", "inner", "../cat.jpg", "/etc/passwd", "out.jpg"]
    hostile += ["outer/hostname", "cat.jpg:stream", "c?t.jpg", "", "cat.jpg/x"]
    for path in hostile:
        assert not store.exists(path), path
        with pytest.raises((InvalidPath, StoreError)):
            store.read(path, 1000)
    assert store.exists("cat.jpg")


def test_intermediate_results_come_and_go(samba: Samba, store: SambaStore) -> None:
    """System B's way from ring to ring."""
    store.write(".iceflix/work/job/1.ifx", b"pixels")
    store.write(".iceflix/work/job/2.ifx", b"pixels")
    assert store.read(".iceflix/work/job/2.ifx", 10) == b"pixels"
    for _ in range(2):
        store.remove_tree(".iceflix/work/job")
    assert not (samba.share / ".iceflix" / "work" / "job").exists()


def test_several_read_at_once(store: SambaStore) -> None:
    """One connection; no reader shuts another out."""
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(10):
                assert store.read("cat.jpg", 10) == b"cat"
        except BaseException as error:  # noqa: BLE001  # pylint: disable=broad-exception-caught
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_result_that_is_being_read(samba: Samba, store: SambaStore) -> None:
    """The same bytes may stay; others wait until the reader has gone."""
    store.write("result.jpg", b"same")
    options = {"username": samba.url.split("/")[2].split(":")[0], "password": PASSWORD}
    place = r"\\127.0.0.1\images\result.jpg"
    with smbclient.open_file(place, "rb", share_access="r", port=samba.port, **options) as reader:
        store.write("result.jpg", b"same")
        assert reader.read() == b"same"
        writer = threading.Thread(target=store.write, args=("result.jpg", b"other"))
        writer.start()
    writer.join()
    assert store.read("result.jpg", 10) == b"other"
    assert not list(samba.share.glob(".iceflix*"))


def test_a_server_that_goes_away_and_comes_back(samba: Samba, store: SambaStore) -> None:
    """A clear error meanwhile, and no restart of ours afterwards."""
    assert store.exists("cat.jpg")
    samba.stop()
    for _ in range(2):
        with pytest.raises(StoreError, match=r"smb://127.0.0.1:\d+/images cannot be reached"):
            store.read("cat.jpg", 10)
    with pytest.raises(StoreError, match="cannot be reached"):
        store.write("x.jpg", b"x")
    samba.start()
    assert store.read("cat.jpg", 10) == b"cat"
    samba.stop()
    samba.start()
    store.write("x.jpg", b"x")  # the old connection is dead, and nobody has to know
    assert (samba.share / "x.jpg").read_bytes() == b"x"


def test_the_wrong_password_and_the_wrong_share(samba: Samba) -> None:
    """An error in the configuration, said without the password."""
    for url in (samba.url.replace(PASSWORD, "guess"), samba.url.replace("/images", "/nothing")):
        with pytest.raises(StoreError) as caught:
            ImageStore.from_url(url).read("cat.jpg", 10)
        assert PASSWORD not in str(caught.value)
        assert "guess" not in str(caught.value)


def test_a_read_only_share(samba: Samba, store: SambaStore) -> None:
    """Reading goes on, writing says why not."""
    samba.stop()
    samba.configure(read_only="yes")
    samba.start()
    try:
        assert store.read("cat.jpg", 10) == b"cat"
        with pytest.raises(StoreError, match=r"does not allow it|is read-only"):
            store.write("x.jpg", b"x")
    finally:
        samba.stop()
        samba.configure()
        samba.start()


def test_a_workshop_on_the_share(samba: Samba, store: SambaStore) -> None:
    """From image to result, by way of the share alone."""
    put_image(samba.share)
    workshop = Workshop(store, Limits(pixels=1_000_000), 2)
    try:
        result = do(workshop, work_of("cat.png", shipped("gray,blur"), "cat__gray-blur.png"))
        assert result.good, result
        missing = do(workshop, work_of("none.png", shipped("gray")))
        assert missing.reason == "IMAGEN_DESCONOCIDA"
        pixels = load_image(samba.share / "cat__gray-blur.png")
        assert np.array_equal(pixels, reference("gray,blur"))
        samba.stop()
        away = do(workshop, work_of("cat.png", shipped("gray")))
        assert (away.good, away.reason) == (False, "FALLO_DE_FILTRO")
        assert "cannot be reached" in away.detail
        samba.start()
        assert do(workshop, work_of("cat.png", shipped("gray"), "later.png")).good
    finally:
        workshop.stop()


def test_the_password_is_in_no_arguments(
    samba: Samba, store: SambaStore, broker: Broker, tmp_path: Path
) -> None:
    """A farm on the share works, and who looks at its processes does not learn the password."""
    stage = Stage(tmp_path / "home", broker, Signer.make())
    stage.properties["Farm.Images"] = samba.url
    try:
        stage.up(Plan("A", 1, 1, 1, slots=1, services=()))
        store.write("p1.png", (stage.farm.home / "images" / "p1.png").read_bytes())
        jobs = stage.submit(stage.multiserver("multiserver1"), ["gray"], 1)
        assert store.exists(jobs[0].result(30).image)
        for process in stage.processes.values():
            assert f":{PASSWORD}@" not in " ".join(psutil.Process(process.pid).cmdline())
            for child in psutil.Process(process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):  # gone, or shut in too well
                    assert VARIABLE not in child.environ()
    finally:
        stage.close()
