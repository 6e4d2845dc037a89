"""An RTSP client (RFC 2326) that says what it is told to say."""

import re
import socket
import time
from dataclasses import dataclass, field

_INTERLEAVED = 0x24


@dataclass(frozen=True)
class Answer:
    """A server's answer; ``status`` is 0 when the connection was closed instead."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


class RtspClient:
    """One connection. Packets that come between the answers are counted."""

    def __init__(self, url: str) -> None:
        found = re.fullmatch(r"rtsp://\[?([^/\]]+)\]?:(\d+)/.+", url)
        assert found is not None, url
        self.url = url
        self.packets = 0
        self._socket = socket.create_connection((found[1], int(found[2])), 5)
        self._number = 0
        self._session = ""
        self._unread = b""

    def __enter__(self) -> "RtspClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, method: str, path: str = "", **headers: str) -> Answer:
        """Send a request for the URL with this appended, and return what is answered."""
        self._number += 1
        given = {"CSeq": str(self._number), **headers}
        if self._session:
            given["Session"] = self._session
        lines = [f"{method} {self.url}{path} RTSP/1.0"]
        lines += [f"{name}: {value}" for name, value in given.items()]
        try:
            self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
            answer = self._read_answer()
        except (ConnectionError, EOFError):
            return Answer(0)
        self._session = answer.headers.get("session", self._session).partition(";")[0]
        return answer

    def set_up(self, transport: str) -> int:
        """Describe and set up both tracks; ``transport`` has places for two numbers."""
        assert self.ask("DESCRIBE").status == 200
        first = self.ask("SETUP", "/stream=0", Transport=transport.format(0, 1)).status
        second = self.ask("SETUP", "/stream=1", Transport=transport.format(2, 3)).status
        return max(first, second)

    def receive(self, seconds: float) -> int:
        """Take interleaved packets for so long, or until the end; how many."""
        before = self.packets
        self._drain(seconds)
        return self.packets - before

    def closed(self, seconds: float = 5.0) -> bool:
        """Whether the server closes the connection within this time."""
        return self._drain(seconds)

    def _drain(self, seconds: float) -> bool:
        """Take packets for so long; returns whether the connection has been closed."""
        deadline = time.monotonic() + seconds
        try:
            while (left := deadline - time.monotonic()) > 0:
                self._socket.settimeout(left)
                self._take_packet()
        except TimeoutError:
            return False
        except (ConnectionError, EOFError):
            return True
        finally:
            self._socket.settimeout(5)
        return False

    def _read_answer(self) -> Answer:
        while not self._unread or self._unread[0] == _INTERLEAVED:
            self._take_packet()
        while b"\r\n\r\n" not in self._unread:
            self._more()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        length = int(headers.get("content-length", 0))
        while len(self._unread) < length:
            self._more()
        body, self._unread = self._unread[:length], self._unread[length:]
        return Answer(int(first.split()[1]), headers, body.decode())

    def _take_packet(self) -> None:
        while len(self._unread) < 4:
            self._more()
        if self._unread[0] != _INTERLEAVED:
            return
        size = 4 + int.from_bytes(self._unread[2:4], "big")
        while len(self._unread) < size:
            self._more()
        self._unread = self._unread[size:]
        self.packets += 1

    def _more(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise EOFError
        self._unread += data
