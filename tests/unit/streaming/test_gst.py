"""GStreamer's door: what is missing is named, what is wrong is said."""

import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from iceflix.runtime.errors import SetupError
from iceflix.streaming import gst
from iceflix.streaming.plans import COPY, Content, Plan, candidates, launch
from iceflix.streaming.sender import MediaError


@pytest.fixture(name="unloaded")
def _unloaded() -> Iterator[None]:
    """As if GStreamer had not been loaded yet."""
    forget = gst._modules.cache_clear  # pylint: disable=protected-access
    forget()
    yield
    forget()


@pytest.mark.usefixtures("unloaded")
def test_missing_bindings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs them."""

    def refuse(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(SetupError, match=r"apt install python3-gi gir1\.2-gstreamer-1\.0"):
        gst.require()


@pytest.mark.usefixtures("unloaded")
def test_missing_plugins_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the packages that bring them."""
    absent = {"x264enc", "avenc_aac"}
    factory = SimpleNamespace(find=lambda name: None if name in absent else name)
    modules = {
        "gi": SimpleNamespace(require_version=lambda *_: None),
        "gi.repository.Gst": SimpleNamespace(init=lambda _: None, ElementFactory=factory),
    }
    monkeypatch.setattr(importlib, "import_module", lambda name: modules.get(name, name))
    with pytest.raises(
        SetupError, match=r"install gstreamer1\.0-libav gstreamer1\.0-plugins-ugly$"
    ):
        gst.require()


def test_types_of_files() -> None:
    """By their first bytes."""
    assert gst.media_type(b"\x89PNG\r\n\x1a\n" + bytes(64)) == "image/png"
    assert gst.media_type(b"hello, world\n" * 50) == "text/plain"
    assert gst.media_type(b"") is None
    assert (
        gst.media_type(b"#EXTM3U\n#EXT-X-TARGETDURATION:5\nhttp://x/1.ts\n") == "application/x-hls"
    )


@pytest.mark.parametrize("text", ["", "nonsense ! nothing", "filesrc name=source ! ("])
def test_nonsense_is_refused_in_words(text: str) -> None:
    """Not with GStreamer's own exceptions."""
    with pytest.raises(MediaError):
        gst.Pipeline(text, "/dev/null")


def test_every_plan_is_a_pipeline_that_gstreamer_accepts() -> None:
    """All containers with all codecs."""
    containers = ["video/quicktime", "video/x-matroska", "video/mpegts", "video/x-flv"]
    containers += ["video/x-msvideo", "video/mpeg"]
    sounds = [
        ("", 0),
        ("audio/mpeg", 4),
        ("audio/mpeg", 1),
        ("audio/x-opus", 0),
        ("audio/x-ac3", 0),
    ]
    plans: set[Plan] = set()
    for container in containers:
        for sound, version in sounds:
            for video in ("video/x-h264", "video/x-h265", "video/x-vp8"):
                plans.update(candidates(Content(container, video, sound, version)))
    for plan in plans:
        pipeline = gst.Pipeline(launch(plan, "fakesink", "fakesink"), "/dev/null")
        assert pipeline.caps("video") is None
        pipeline.close()
    assert {plan.demuxer for plan in plans if plan.video == COPY} == {
        "qtdemux",
        "matroskademux",
        "tsdemux",
        "flvdemux",
        "avidemux",
        "mpegpsdemux",
    }


def test_the_version_is_gstreamers() -> None:
    """Three numbers."""
    assert importlib.import_module("gi").require_version("Gst", "1.0") is None
    assert len(gst.version().split(".")) == 3
