"""A real service looks after its folder: nobody tells it of anything (V37-V42, V73)."""

import hashlib
import shutil
from pathlib import Path

import pytest

from iceflix.contract import IceFlix
from iceflix.streaming.service import build
from tests.conftest import HostMaker, wait_until
from tests.media.clips import Clips
from tests.media.foreign import Events, Foreigners, drain, take

pytestmark = pytest.mark.slow


@pytest.fixture(name="announced")
def _announced(foreigners: Foreigners) -> Events:
    return foreigners.listen("MediaAnnouncements", IceFlix.StreamAnnounces, "newMedia")


def test_files_come_move_and_go(
    make_host: HostMaker, foreigners: Foreigners, announced: Events, clips: Clips, tmp_path: Path
) -> None:
    """Without a reload; what is no video is not announced, what is half copied not yet."""
    folder = tmp_path / "videos"
    folder.mkdir()
    properties = {
        "Media.Folder": str(folder),
        "Media.SettleSeconds": "0.2",
        "Media.RescanSeconds": "0",
    }
    host = make_host("streaming", build, properties)
    provider = IceFlix.StreamProviderPrx.checkedCast(foreigners.ice.stringToProxy(str(host.proxy)))
    assert provider is not None
    content = clips.get("h265-opus.mkv").read_bytes()
    media = hashlib.sha256(content).hexdigest()

    (folder / "notes.txt").write_text("hello\n" * 100)
    (folder / "new").mkdir()
    with (folder / "new" / "First.mkv").open("wb") as copy:
        copy.write(content[: len(content) // 2])
        copy.flush()
        assert not drain(announced, 1.0)
        copy.write(content[len(content) // 2 :])
    assert take(announced)[1:3] == (media, "First")
    assert provider.isAvailable(media)

    (folder / "new").rename(folder / "old")
    wait_until(lambda: provider.isAvailable(media))
    (folder / "old" / "First.mkv").rename(folder / "Second.mkv")
    while take(announced)[1:3] != (media, "Second"):  # the folder's move may have been told, too
        pass
    assert provider.isAvailable(media)
    shutil.copy(clips.get("silent.mp4"), folder / "Other.mp4")
    assert take(announced)[2] == "Other"
    (folder / "Second.mkv").unlink()
    wait_until(lambda: not provider.isAvailable(media))
    wait_until(lambda: host.status().details["titles"] == "1")
    assert not drain(announced)


def test_a_reload_still_reads_it(
    make_host: HostMaker, announced: Events, clips: Clips, tmp_path: Path
) -> None:
    """``Media.Watch=0``: as it was before, nothing is noticed until somebody asks."""
    folder = tmp_path / "videos"
    folder.mkdir()
    properties = {
        "Media.Folder": str(folder),
        "Media.SettleSeconds": "0.1",
        "Media.RescanSeconds": "0",
        "Media.Watch": "0",
    }
    host = make_host("streaming", build, properties)
    shutil.copy(clips.get("silent.mp4"), folder / "One.mp4")
    assert not drain(announced, 1.0)
    host.reload()
    assert take(announced)[2] == "One"
