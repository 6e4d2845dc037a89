"""Session descriptions: complete, true, parsable, and nobody's text breaks out of its line."""

import importlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceflix.streaming.sdp import (
    Session,
    Track,
    audible,
    one_line,
    session_description,
    track_from_caps,
)
from tests.unit.streaming.samples import AUDIO, VIDEO

SESSION = Session(4711, 2, "One", "192.0.2.1", "192.0.2.7", 60.0)
PORTS = st.integers(1024, 65535)


def _parse(text: str) -> Any:
    """The description as GStreamer understands it."""
    gi = importlib.import_module("gi")
    gi.require_version("GstSdp", "1.0")
    sdp = importlib.import_module("gi.repository.GstSdp")
    importlib.import_module("gi.repository.Gst").init(None)
    result, message = sdp.SDPMessage.new_from_text(text)
    assert result == sdp.SDPResult.OK
    return message


def test_the_whole_text() -> None:
    """Every line, in the order of RFC 8866."""
    assert session_description(SESSION, [VIDEO, AUDIO], 5004) == (
        "v=0\r\n"
        "o=- 4711 2 IN IP4 192.0.2.1\r\n"
        "s=One\r\n"
        "c=IN IP4 192.0.2.7\r\n"
        "t=0 0\r\n"
        "a=tool:iceflix\r\n"
        "a=recvonly\r\n"
        "a=range:npt=0-60.000\r\n"
        "m=video 5004 RTP/AVP 96\r\n"
        "a=rtpmap:96 H264/90000\r\n"
        "a=fmtp:96 packetization-mode=1;profile-level-id=4d401f;"
        "sprop-parameter-sets=Z01AH9mAUAW7ARAAAAMAEAAAAwPA8YMmgA==,aOlzLIA=\r\n"
        "m=audio 5006 RTP/AVP 97\r\n"
        "a=rtpmap:97 mpeg4-generic/48000/2\r\n"
        "a=fmtp:97 streamtype=5;profile-level-id=2;mode=AAC-hbr;config=119056e500;"
        "sizelength=13;indexlength=3;indexdeltalength=3\r\n"
    )


@given(st.text(max_size=300), PORTS, st.booleans())
def test_any_title_any_port_is_parsed_to_what_was_meant(
    title: str, port: int, with_duration: bool
) -> None:
    """A title is text on one line; ports and addresses arrive (no injection, V44)."""
    session = replace(SESSION, title=title, duration_seconds=9.5 if with_duration else None)
    text = session_description(session, [VIDEO, AUDIO], port)
    parsed = _parse(text)
    tracks = audible([VIDEO, AUDIO], port)
    assert parsed.medias_len() == len(tracks) == text.count("m=")
    assert [line[:2] for line in text.split("\r\n")][:5] == ["v=", "o=", "s=", "c=", "t="]
    assert parsed.get_session_name() == one_line(title)
    assert parsed.get_connection().address == "192.0.2.7"
    media = [parsed.get_media(index) for index in range(parsed.medias_len())]
    assert [(found.get_media(), found.get_port()) for found in media] == [
        ("video", port),
        ("audio", port + 2),
    ][: len(media)]


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    """No control character, never empty."""
    line = one_line(text)
    assert line and line.isprintable() and line == line.strip()


def test_a_port_too_high_for_audio_leaves_it_out() -> None:
    """There is no port 65536."""
    assert audible([VIDEO, AUDIO], 65533) == (VIDEO, AUDIO)
    assert audible([VIDEO, AUDIO], 65534) == (VIDEO,)
    assert "m=audio" not in session_description(SESSION, [VIDEO, AUDIO], 65535)


def test_ipv6() -> None:
    """An IPv6 address is named as one, without its zone."""
    session = replace(SESSION, origin="fe80::1%eth0", destination="2001:db8::7")
    text = session_description(session, [VIDEO], 5004)
    assert "c=IN IP6 2001:db8::7\r\n" in text
    assert "o=- 4711 2 IN IP6 fe80::1\r\n" in text


@pytest.mark.parametrize("address", ["", "example.org", "1.2.3.4\r\na=x", "999.1.1.1"])
def test_only_addresses_are_addresses(address: str) -> None:
    """Nothing else gets into the connection line."""
    with pytest.raises(ValueError, match="address"):
        session_description(replace(SESSION, destination=address), [VIDEO], 5004)


@pytest.mark.parametrize(
    "wrong",
    [
        {"media": "text"},
        {"encoding": "H264\r\na=x"},
        {"payload_type": 128},
        {"payload_type": -1},
        {"clock_rate": 0},
        {"channels": 0},
        {"parameters": (("config", "1\r\nm=audio 1 RTP/AVP 0"),)},
        {"parameters": (("a b", "1"),)},
    ],
)
def test_a_track_cannot_carry_what_is_no_sdp(wrong: dict[str, Any]) -> None:
    """What a file says of itself is not believed blindly."""
    with pytest.raises(ValueError, match=r"track|range"):
        replace(VIDEO, **wrong)


def test_tracks_from_caps() -> None:
    """A payloader's caps say more than belongs into the description."""
    caps: dict[str, str | int] = {
        "media": "video",
        "payload": 96,
        "clock-rate": 90000,
        "encoding-name": "H264",
        "ssrc": 123,
        "timestamp-offset": 5,
        "profile": "main",
        "a-framerate": "30",
        **dict(VIDEO.parameters),
    }
    assert track_from_caps(caps) == VIDEO
    opus: dict[str, str | int] = {
        "media": "audio",
        "payload": 97,
        "clock-rate": 48000,
        "encoding-name": "OPUS",
        "encoding-params": "2",
        "sprop-stereo": "1",
    }
    track = track_from_caps(opus)
    assert track == Track("audio", 97, "OPUS", 48000, 2, (("sprop-stereo", "1"),))
    assert "a=rtpmap:97 opus/48000/2" in track.lines(1024)


def test_h265_brings_its_parameter_sets() -> None:
    """Out of band as well (RFC 7798, 7.1)."""
    sets: dict[str, str | int] = {
        "sprop-vps": "QAEMAf//",
        "sprop-sps": "QgEB+/",
        "sprop-pps": "RAHBcrRiQA==",
    }
    caps = {"media": "video", "payload": 96, "clock-rate": 90000, "encoding-name": "H265", **sets}
    track = track_from_caps(caps)
    assert track.encoding == "H265" and track.parameters == tuple(sets.items())
    assert track.lines(1024)[-2:] == [
        "a=rtpmap:96 H265/90000",
        "a=fmtp:96 sprop-vps=QAEMAf//;sprop-sps=QgEB+/;sprop-pps=RAHBcrRiQA==",
    ]


@pytest.mark.parametrize("name", ["", "VP8", "h263"])
def test_other_encodings_are_refused(name: str) -> None:
    """What we send is H.264 or H.265 with AAC, MP3 or Opus."""
    with pytest.raises(ValueError, match="payload format"):
        track_from_caps({"media": "video", "encoding-name": name})
