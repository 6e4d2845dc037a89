"""Reading and rewriting session descriptions."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceflix.client.description import Track, bound_ports, parse, redirect

SDP = (
    "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=x\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\n"
    "a=range:npt=0-12.500\r\n"
    "m=video 5000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
    "m=audio 5002 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/44100/2\r\n"
)


def test_tracks_and_duration() -> None:
    """Tracks and duration."""
    description = parse(SDP)
    assert description.duration == 12.5
    assert description.tracks == (
        Track(0, "video", 5000, 96, "H264"),
        Track(1, "audio", 5002, 97, "MPEG4-GENERIC", 44100),
    )


def test_the_shortest_description_that_others_send() -> None:
    """The shortest description that others send."""
    short = "v=0\nm=video 5001 RTP/AVP 96\nc=IN IP4 127.0.0.1\na=rtpmap:96 H264/90000"
    assert parse(short).tracks == (Track(0, "video", 5001, 96, "H264"),)
    assert parse(short).duration is None


def test_other_media_are_left_out() -> None:
    """Other media are left out."""
    text = SDP.replace("m=video 5000 RTP/AVP 96", "m=application 9 TCP/BFCP *")
    assert [track.index for track in parse(text).tracks] == [1]


def test_nothing_to_play() -> None:
    """Nothing to play."""
    for text in ("", "v=0\r\n", "m=video 0 RTP/AVP 96", "m=video 99999 RTP/AVP 96"):
        with pytest.raises(ValueError, match="no audio and no video"):
            parse(text)


@given(st.text())
def test_garbage_is_refused_or_read(text: str) -> None:
    """Garbage is refused or read."""
    with contextlib.suppress(ValueError):
        assert parse(text).tracks


def test_redirecting() -> None:
    """Redirecting."""
    moved = redirect(SDP, "127.0.0.1", {5000: 7000, 5002: 7002})
    assert "c=IN IP4 127.0.0.1\r\n" in moved
    assert [track.port for track in parse(moved).tracks] == [7000, 7002]
    assert "a=fmtp:96 packetization-mode=1\r\n" in moved
    assert "10.0.0.2" not in moved


def test_bound_ports() -> None:
    """Bound ports."""
    table = (
        "  sl  local_address rem_address   st tx_queue\n"
        "  123: 0100007F:1F90 00000000:0000 07 00000000:00000000\n"
        " 1234: 00000000000000000000000001000000:C350 0000:0000 07\n"
    )
    assert bound_ports(table) == {8080, 50000}


@pytest.mark.parametrize(
    ("line", "start", "duration"),
    [
        ("a=range:npt=12.5-90.25", 12.5, 90.25),
        ("a=range:npt=0-", 0.0, None),
        ("a=range:npt=-7", 0.0, 7.0),
        ("a=range:npt=now-", 0.0, None),
        ("a=tool:x", 0.0, None),
    ],
)
def test_where_a_stream_begins(line: str, start: float, duration: float | None) -> None:
    """Where a stream begins."""
    found = parse(f"v=0\r\n{line}\r\nm=video 5000 RTP/AVP 96\r\n")
    assert (found.start, found.duration) == (start, duration)
