"""How files become RTP: what is copied, what is transcoded, what is refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceflix.streaming.plans import COPY, TRANSCODE, Content, Plan, candidates, is_container, launch

H264_MP4 = Content("video/quicktime", "video/x-h264", "audio/mpeg", 4)
_TYPES = ["video/x-h264", "video/x-h265", "video/x-vp8", "video/mpeg"]
_SOUNDS = [("", 0), ("audio/mpeg", 4), ("audio/mpeg", 1), ("audio/x-opus", 0), ("audio/x-ac3", 0)]
_CONTAINERS = ["video/quicktime", "video/x-matroska", "video/mpegts", "video/webm", "video/ogg"]
CONTENTS = st.builds(
    lambda container, video, sound: Content(container, video, *sound),
    st.sampled_from(_CONTAINERS),
    st.sampled_from(_TYPES),
    st.sampled_from(_SOUNDS),
)


def test_h264_and_aac_in_mp4_go_untouched_and_without_queues() -> None:
    """The common case costs one thread and no encoder."""
    first = next(candidates(H264_MP4))
    assert first == Plan("qtdemux", COPY, COPY, "audio/mpeg", 4)
    assert not first.transcodes
    text = launch(first, "fakesink", "fakesink")
    assert "queue" not in text and "enc" not in text and "decodebin" not in text


@pytest.mark.parametrize(
    ("container", "demuxer"),
    [
        ("video/x-matroska", "matroskademux"),
        ("video/mpegts", "tsdemux"),
        ("video/webm", "matroskademux"),
    ],
)
def test_other_containers_get_a_queue_for_each_branch(container: str, demuxer: str) -> None:
    """There the file's order is not the order of time."""
    plan = next(candidates(replace(H264_MP4, container=container)))
    assert plan.demuxer == demuxer
    assert launch(plan, "fakesink", "fakesink").count("queue ") == 2


def test_only_the_sound_is_transcoded_when_only_the_sound_has_to_be() -> None:
    """AC-3 beside H.264."""
    plan = next(candidates(Content("video/mpegts", "video/x-h264", "audio/x-ac3")))
    assert (plan.video, plan.audio) == (COPY, TRANSCODE)
    text = launch(plan, "fakesink", "fakesink")
    assert "demux. ! audio/x-ac3 ! queue" in text and "x264enc" not in text


def test_other_pictures_are_transcoded() -> None:
    """VP8 becomes H.264."""
    plan = next(candidates(Content("video/webm", "video/x-vp8", "audio/x-vorbis")))
    assert plan == Plan("decodebin", TRANSCODE, TRANSCODE)
    assert plan.transcodes


@pytest.mark.parametrize("container", ["video/quicktime", "video/x-matroska", "video/mpegts"])
def test_h265_goes_untouched_too(container: str) -> None:
    """With its own payload format (RFC 7798), with sound and without."""
    whole = Content(container, "video/x-h265", "audio/x-opus")
    for content in (whole, replace(whole, audio="")):
        plan = next(candidates(content))
        assert plan.video == COPY and plan.video_type == "video/x-h265" and not plan.transcodes
        text = launch(plan, "fakesink", "fakesink")
        assert "demux. ! video/x-h265 !" in text and "h265parse ! rtph265pay pt=96" in text
        assert "h264" not in text


@given(CONTENTS)
def test_the_last_resort_is_the_picture_alone(content: Content) -> None:
    """Plans get simpler; without sound comes after all with sound; none is tried twice."""
    plans = list(candidates(content))
    assert len(set(plans)) == len(plans)
    loud = [bool(plan.audio) for plan in plans]
    assert loud == sorted(loud, reverse=True)
    assert all(plan.audio for plan in plans[:1]) or not content.audio
    for plan in plans:
        text = launch(plan, "videosink", "audiosink")
        assert text.count("name=video ") == 1 and text.count(" videosink") == 1
        assert text.count("audiosink") == bool(plan.audio)
        assert text.startswith("filesrc name=source ! ")


@pytest.mark.parametrize("name", ["audio/x ! filesink location=x", "audio/", "x", "audio/A B"])
def test_a_media_type_is_not_a_piece_of_pipeline(name: str) -> None:
    """What ends up in the pipeline's text has been checked."""
    with pytest.raises(ValueError, match="media type"):
        Plan("tsdemux", COPY, TRANSCODE, name)


def test_only_pictures_that_we_copy() -> None:
    """Nor copy what has no payload format here."""
    with pytest.raises(ValueError, match="pictures"):
        Plan("qtdemux", COPY, "", video_type="video/x-vp8")


def test_only_known_demuxers() -> None:
    """A damaged cache cannot make us run other elements."""
    with pytest.raises(ValueError, match="demuxer"):
        Plan("filesrc location=/etc/passwd ! qtdemux", COPY, "")


@pytest.mark.parametrize(
    ("media_type", "accepted"),
    [
        ("video/quicktime", True),
        ("video/x-matroska", True),
        ("application/ogg", True),
        ("audio/x-m4a", False),
        ("image/png", False),
        ("text/plain", False),
        ("application/x-hls", False),
        ("application/dash+xml", False),
        ("application/sdp", False),
        ("text/uri-list", False),
        ("video/x-playlist", False),
        ("unknown", False),
    ],
)
def test_containers(media_type: str, accepted: bool) -> None:
    """Lists of other resources are not opened: they would fetch what a stranger's file says."""
    assert is_container(media_type) is accepted
