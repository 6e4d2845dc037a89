"""A viewer of RTSP servers (RFC 2326), as little of it as a measurement needs."""

import contextlib
import re
import socket
import urllib.parse
from dataclasses import dataclass

from bench.machine import BenchError

_TIMEOUT_SECONDS = 20.0
_LENGTH = re.compile(r"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)
_SESSION = re.compile(r"^session: *([^;\r\n]+)", re.IGNORECASE | re.MULTILINE)
_BASE = re.compile(r"^content-base: *(\S+)", re.IGNORECASE | re.MULTILINE)
_MEDIA = re.compile(r"^m=(video|audio) .*?(?=^m=|\Z)", re.DOTALL | re.MULTILINE)
_CONTROL = re.compile(r"^a=control:(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    head: str
    body: str


def is_served(url: str) -> bool:
    """Whether the server describes it already: some open a file in their own time."""
    try:
        RtspViewer(url).close()
    except BenchError:
        return False
    return True


def play(url: str, port: int) -> "RtspViewer":
    """Have it played to a UDP port, its audio to the one two above. Raises BenchError."""
    viewer = RtspViewer(url)
    viewer.play(port)
    return viewer


class RtspViewer:
    """One session."""

    def __init__(self, url: str) -> None:
        """Have it described. Raises BenchError."""
        self._url = url
        self._count = 0
        self._session = ""
        place = urllib.parse.urlsplit(url)
        try:
            self._socket = socket.create_connection(
                (place.hostname, place.port), timeout=_TIMEOUT_SECONDS
            )
        except OSError as error:
            raise BenchError(f"{url} cannot be reached: {error}") from error
        try:
            self._described = self._ask("DESCRIBE", self._url, "Accept: application/sdp")
        except BenchError:
            self._socket.close()
            raise

    def close(self) -> None:
        """End the session."""
        with contextlib.suppress(OSError, BenchError):
            if self._session:
                self._ask("TEARDOWN", self._url)
        self._socket.close()

    def play(self, port: int) -> None:
        """Have it played. Raises BenchError."""
        base = _BASE.search(self._described.head)
        root = base[1] if base else self._url
        for media in _MEDIA.finditer(self._described.body):
            control = _CONTROL.search(media[0])
            if control is None:
                raise BenchError(f"{self._url} describes a track without a name")
            track = control[1]
            if "://" not in track:
                track = root.rstrip("/") + "/" + track.lstrip("/")
            first = port if media[1] == "video" else port + 2
            self._ask("SETUP", track, f"Transport: RTP/AVP;unicast;client_port={first}-{first + 1}")
        self._ask("PLAY", root, "Range: npt=0-")

    def _ask(self, method: str, url: str, *headers: str) -> Answer:
        self._count += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._count}", *headers]
        if self._session:
            lines.append(f"Session: {self._session}")
        try:
            answer = self._exchange("\r\n".join([*lines, "", ""]).encode())
        except OSError as error:
            raise BenchError(f"{self._url}: {method} gave no answer: {error}") from error
        status = answer.head.split(None, 2)
        if len(status) < 2 or status[1] != "200":
            raise BenchError(f"{self._url}: {method} gave {answer.head.splitlines()[0]}")
        session = _SESSION.search(answer.head)
        if session is not None:
            self._session = session[1]
        return answer

    def _exchange(self, request: bytes) -> Answer:
        self._socket.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head_bytes, _, body = received.partition(b"\r\n\r\n")
        head = head_bytes.decode("utf-8", "replace")
        length = _LENGTH.search(head)
        while length is not None and len(body) < int(length[1]):
            body += self._receive()
        return Answer(head, body.decode("utf-8", "replace"))

    def _receive(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise BenchError(f"{self._url}: the server hung up")
        return data
