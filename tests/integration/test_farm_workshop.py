"""The workshop at work: real sandboxed workers, real images."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

import hashlib
import os
import queue
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import psutil
import pytest

from iceflix.farm.images.container import unpack
from iceflix.farm.images.folder import FolderStore
from iceflix.farm.model import Completion
from iceflix.farm.sandbox.limits import Limits
from iceflix.farm.workshop import CodeStep, Work, Workshop
from tests.conftest import wait_until
from tests.golden.make import source
from tests.integration.farm_workshop import (
    code,
    do,
    load_image,
    put_image,
    reference,
    shipped,
    step,
    work_of,
)

pytestmark = pytest.mark.slow
LIMITS = Limits(seconds=20.0, megabytes=256, pixels=4_000_000, file_bytes=8_000_000)
MINE = code("return 255 - image")


@pytest.fixture(name="share", scope="module")
def share_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared folder, with a picture."""
    folder = tmp_path_factory.mktemp("share")
    put_image(folder)
    return folder


@pytest.fixture(name="workshop", scope="module")
def workshop_fixture(share: Path) -> Iterator[Workshop]:
    """A workshop of two slots."""
    workshop = Workshop(FolderStore(str(share)), LIMITS, 2)
    yield workshop
    workshop.stop()


def test_a_chain_makes_what_the_local_reference_makes(workshop: Workshop, share: Path) -> None:
    """F12: exactly the pixels; and the hashes of source and result."""
    target = "cat__gray-blur.png"
    result = do(workshop, work_of("cat.png", shipped("gray,blur:radius=4"), target))
    assert result.good, result
    assert result.produced == target
    assert np.array_equal(load_image(share / target), reference("gray,blur:radius=4"))
    assert result.source_sha256 == hashlib.sha256((share / "cat.png").read_bytes()).hexdigest()
    assert result.result_sha256 == hashlib.sha256((share / target).read_bytes()).hexdigest()
    assert 0 < result.seconds < 60
    assert not list(share.glob(".iceflix*"))


@pytest.mark.parametrize("chain", ["rotate90,crop:left=0.5", "crop:left=0.5,rotate90"])
def test_order_is_kept(workshop: Workshop, share: Path, chain: str) -> None:
    """F35: the pair that does not commute, in both orders."""
    assert do(workshop, work_of("cat.png", shipped(chain))).good
    assert np.array_equal(load_image(share / "out.png"), reference(chain))


def test_a_foreign_filter_among_shipped_ones(workshop: Workshop, share: Path) -> None:
    """The pixels pass between workers of different owners without loss."""
    steps = (*shipped("blur"), step("mine", MINE), *shipped("rotate90"))
    assert do(workshop, work_of("cat.png", steps)).good
    expected = reference("rotate90", 255 - reference("blur"))
    assert np.array_equal(load_image(share / "out.png"), expected)
    only = do(workshop, work_of("cat.png", (step("mine", MINE),)))
    assert only.good
    assert np.array_equal(load_image(share / "out.png"), 255 - source())


def test_an_intermediate_result_is_lossless(workshop: Workshop, share: Path) -> None:
    """System B: one step a node; format, profile and EXIF data travel on."""
    cv2.imwrite(str(share / "cat.jpg"), source())
    first = do(workshop, Work("job-b/0/1", "cat.jpg", "", shipped("rotate90")))
    assert first.good, first
    assert first.produced.startswith(".iceflix/work/job-b/0-1")
    assert unpack((share / first.produced).read_bytes()).origin.format == "JPEG"
    second = do(workshop, Work("job-b/1/1", first.produced, "", (step("mine", MINE),)))
    assert second.good, second
    third = do(workshop, Work("job-b/2/1", second.produced, "cat__x.jpg", shipped("crop:left=0.5")))
    assert third.good, third
    whole = (*shipped("rotate90"), step("mine", MINE), *shipped("crop:left=0.5"))
    assert do(workshop, work_of("cat.jpg", whole, "cat__y.jpg")).good
    assert (share / "cat__x.jpg").read_bytes() == (share / "cat__y.jpg").read_bytes()


def test_the_same_request_has_the_same_bytes(workshop: Workshop, share: Path) -> None:
    """F37: doing a task twice changes nothing."""
    digests = set()
    for _ in range(3):
        result = do(workshop, work_of("cat.png", shipped("sharpen,sepia"), "again.png"))
        digests |= {
            result.result_sha256,
            hashlib.sha256((share / "again.png").read_bytes()).hexdigest(),
        }
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("dog.png", "there is no image 'dog.png': it does not exist"),
        ("../cat.png", "cannot leave the shared folder"),
        ("/etc/passwd", "relative to the shared folder"),
        ("link.png", "leads out of the shared folder"),
        ("cat.png\0", "zero byte"),
        ("pipe.png", "is not a file"),
        ("folder", "is not a file"),
        ("", "the name is empty"),
    ],
)
def test_images_that_are_none_of_ours(
    workshop: Workshop, share: Path, path: str, sentence: str
) -> None:
    """F09: the same answer as for a missing one."""
    if not (share / "pipe.png").exists():
        os.mkfifo(share / "pipe.png")
        (share / "link.png").symlink_to("/etc/hostname")
        (share / "folder").mkdir()
    result = do(workshop, work_of(path, shipped("gray")))
    assert (result.good, result.reason) == (False, "IMAGEN_DESCONOCIDA")
    assert sentence in result.detail


def test_files_that_are_no_images(workshop: Workshop, share: Path) -> None:
    """F46: each with a reason, and the node lives on."""
    whole = (share / "cat.png").read_bytes()
    bomb = np.zeros((3000, 3000), np.uint8)
    contents = {
        "text.png": (b"hello" * 100, "is not an image of a known format"),
        "empty.png": (b"", "is not an image of a known format"),
        "cut.png": (whole[: len(whole) // 2], "truncated"),
        "cut.jpg": (bytes(cv2.imencode(".jpg", source())[1])[:2000], "truncated"),
        "bomb.png": (bytes(cv2.imencode(".png", bomb)[1]), "is too large: 3000 x 3000 pixels"),
        "large.png": (bytes(8_000_001), "has more than 8000000 bytes"),
        "short.ifx": (b"IFXIMG1\n\xff\xff\xff\xff", "is truncated"),
    }
    for name, (content, sentence) in contents.items():
        (share / name).write_bytes(content)
        result = do(workshop, work_of(name, shipped("gray")))
        assert (result.good, result.reason) == (False, "PETICION_INVALIDA"), name
        assert name in result.detail
        assert sentence in result.detail
        foreign = do(workshop, work_of(name, (step("mine", MINE),)))
        assert (foreign.good, foreign.reason) == (False, "PETICION_INVALIDA"), name
    assert do(workshop, work_of("cat.png", shipped("gray"))).good


def test_requests_that_make_no_sense(workshop: Workshop) -> None:
    """Parameters are checked before anything is read, code against its hash."""
    bad = do(workshop, work_of("cat.png", shipped("blur:radius=0")))
    assert (bad.good, bad.reason) == (False, "PETICION_INVALIDA")
    assert "radius of blur must lie between 0.1 and 50" in bad.detail
    forged = CodeStep("mine", {}, MINE, "0" * 64)
    result = do(workshop, work_of("cat.png", (forged,)))
    assert (result.good, result.reason) == (False, "FALLO_DE_FILTRO")
    for target in ("cat.png", "./cat.png", "CAT.png"):
        same = do(workshop, work_of("cat.png", shipped("gray"), target))
        assert (same.good, same.reason) == (False, "PETICION_INVALIDA")
    nowhere = do(workshop, work_of("cat.png", shipped("gray"), "../out.png"))
    assert (nowhere.good, nowhere.reason) == (False, "PETICION_INVALIDA")


def test_a_worker_that_is_killed_from_outside_is_replaced(workshop: Workshop, share: Path) -> None:
    """Nobody's request fails for it."""
    assert do(workshop, work_of("cat.png", shipped("gray"))).good
    for pid in workshop.pids():
        os.kill(pid, signal.SIGKILL)
    result = do(workshop, work_of("cat.png", shipped("gray")))
    assert result.good, result
    assert load_image(share / "out.png").ndim == 2


def test_many_at_once_end_once_each(workshop: Workshop) -> None:
    """Thirty tasks over two slots; every callback once."""
    results: queue.SimpleQueue[Completion] = queue.SimpleQueue()
    for number in range(30):
        chain = shipped("gray,blur") if number % 3 else (step("mine", MINE),)
        workshop.submit(
            Work(f"many{number}/0/1", "cat.png", f"many{number}.png", chain), results.put
        )
    ended = sorted(results.get(timeout=60).task for _ in range(30))
    assert ended == sorted(f"many{number}/0/1" for number in range(30))
    assert results.empty()
    assert not workshop.running()


def test_a_task_can_be_cancelled(workshop: Workshop) -> None:
    """One that runs, and one that waits for a slot."""
    forever = step("forever", code("while True: pass"))
    results: queue.SimpleQueue[Completion] = queue.SimpleQueue()
    for number in range(3):
        workshop.submit(Work(f"c{number}/0/1", "cat.png", "out.png", (forever,)), results.put)
    assert len(workshop.running()) == 3
    workshop.submit(Work("c0/0/1", "cat.png", "out.png", (forever,)), results.put)  # known already
    for number in range(3):
        workshop.cancel(f"c{number}/0/1")
    workshop.cancel("unknown")
    ended = [results.get(timeout=15) for _ in range(3)]
    assert {one.detail for one in ended} == {"the task was cancelled"}
    assert results.empty()
    assert do(workshop, work_of("cat.png", shipped("gray"))).good


def test_stopping_ends_every_process_and_every_task(share: Path) -> None:
    """No orphans, nobody left waiting."""
    workshop = Workshop(FolderStore(str(share)), LIMITS, 1)
    children = psutil.Process().children(recursive=True)
    mine = [one for one in children if one.pid in workshop.pids()]
    assert len(mine) == 1
    inside = mine[0].children(recursive=True)
    assert inside
    results: queue.SimpleQueue[Completion] = queue.SimpleQueue()
    forever = step("forever", code("while True: pass"))
    workshop.submit(Work("s/0/1", "cat.png", "out.png", (forever,)), results.put)
    workshop.stop()
    assert not results.get(timeout=15).good
    wait_until(lambda: not any(one.is_running() for one in mine + inside))
    late = do(workshop, Work("late/0/1", "cat.png", "out.png", shipped("gray")))
    assert not late.good
    assert "the task was cancelled" in late.detail


class Hanging(FolderStore):
    """A share that does not answer while a file is read, as a server that is stopped."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.released = threading.Event()

    def _read(self, path: PurePosixPath, size: int) -> bytes:
        assert self.released.wait(60)
        return super()._read(path, size)


def test_a_share_that_hangs_does_not_hang_the_caller(share: Path) -> None:
    """The task ends at the limit for the store; the share may come back later."""
    store = Hanging(str(share))
    workshop = Workshop(store, replace(LIMITS, store_seconds=0.2), 1)
    try:
        result = do(workshop, work_of("cat.png", shipped("gray")), 20)
        assert (result.good, result.reason) == (False, "FALLO_DE_FILTRO")
        assert "did not answer within 0.2 s" in result.detail
        store.released.set()
        wait_until(lambda: do(workshop, work_of("cat.png", shipped("gray")), 20).good)
    finally:
        store.released.set()
        workshop.stop()


def test_a_callback_that_raises_harms_nobody(workshop: Workshop) -> None:
    """The workshop goes on."""
    ended: queue.SimpleQueue[str] = queue.SimpleQueue()

    def bad(result: Completion) -> None:
        ended.put(result.task)
        raise RuntimeError("not the workshop's fault")

    workshop.submit(Work("bad/0/1", "cat.png", "out.png", shipped("gray")), bad)
    assert ended.get(timeout=20) == "bad/0/1"
    assert do(workshop, work_of("cat.png", shipped("gray"))).good
