"""RTSP's pure parts: where it listens, its URLs, what is built for a session."""

import pytest

from iceflix.runtime.errors import SetupError
from iceflix.streaming.plans import COPY, TRANSCODE, Plan
from iceflix.streaming.rtsp import Door, door, media_launch, url


@pytest.mark.parametrize(
    ("hosts", "address"),
    [
        (["127.0.0.1"], "127.0.0.1"),
        (["127.0.0.1", "127.0.0.1"], "127.0.0.1"),
        (["::1"], "::1"),
        ([""], ""),
        (["0.0.0.0"], ""),
        (["::"], ""),
        (["*"], ""),
        (["10.0.0.1", "127.0.0.1"], ""),
        ([], ""),
    ],
)
def test_the_door_is_where_the_service_is(hosts: list[str], address: str) -> None:
    """At its one address, or at all of them."""
    assert door("0", hosts) == Door(address, 0)


def test_the_port_is_as_set() -> None:
    """Any, a certain one, or none."""
    assert door("8554", ["127.0.0.1"]) == Door("127.0.0.1", 8554)
    assert door("off", ["127.0.0.1"]) is None


@pytest.mark.parametrize("setting", ["", "-1", "65536", "eight", "8554 ", "٣"])
def test_impossible_ports(setting: str) -> None:
    """Say which are possible."""
    with pytest.raises(SetupError, match=r"Stream.RtspPort must be a port .* or off; not"):
        door(setting, ["127.0.0.1"])


def test_urls() -> None:
    """IPv6 in brackets, without its zone."""
    assert url("192.0.2.1", 8554, "/x") == "rtsp://192.0.2.1:8554/x"
    assert url("fe80::1%eth0", 8554, "/x") == "rtsp://[fe80::1]:8554/x"
    with pytest.raises(ValueError, match="does not appear to be"):
        url("", 1, "/x")


@pytest.mark.parametrize(
    "plan",
    [
        Plan("qtdemux", COPY, COPY, "audio/mpeg", 4),
        Plan("matroskademux", COPY, COPY, "audio/x-opus"),
        Plan("qtdemux", COPY, TRANSCODE, "audio/x-ac3"),
        Plan("decodebin", TRANSCODE, TRANSCODE),
    ],
)
def test_what_is_built(plan: Plan) -> None:
    """Payloaders with the server's names, no sinks, a thread for each track."""
    text = media_launch(plan, "/proc/self/fd/7")
    assert text.startswith("( filesrc name=source location=/proc/self/fd/7 ! ")
    assert text.count("name=pay0") == text.count("name=pay1") == 1
    assert "END" not in text and "name=video" not in text and "name=audio" not in text
    assert text.count("queue ") == 2 or "decodebin" in text
    assert "pay1" not in media_launch(plan.silent, "/proc/self/fd/7")


@pytest.mark.parametrize("location", ["/media/a b.mp4", '/media/"x".mp4', "/x ! fakesink", ""])
def test_only_paths_that_need_no_quotes(location: str) -> None:
    """What stands there is read as a program."""
    with pytest.raises(ValueError, match="would have to be quoted"):
        media_launch(Plan("qtdemux", COPY, COPY, "audio/mpeg", 4), location)
