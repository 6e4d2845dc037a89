"""A program in a pseudo-terminal: type, and wait for words on the screen."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

_CONTROLS = re.compile(
    r"\x1b\[[0-9;:?<>=]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[()][0-9A-Z]|\x1b[=>78PX^_]"
)


class Terminal:
    """Runs a program until it ends or the block does. Sizes are in characters."""

    def __init__(
        self, command: list[str], environment: dict[str, str], size: tuple[int, int] = (100, 30)
    ) -> None:
        self.shown = ""
        self._mark = 0
        self._code: int | None = None
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, environment)
        rows = struct.pack("HHHH", size[1], size[0], 0, 0)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, rows)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        if self._code is None:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)

    def turn_the_page(self) -> None:
        """What is shown from now on is what ``see`` looks at."""
        self.read(0.0)
        self._mark = len(self.shown)

    def type(self, text: str, *, same_page: bool = False) -> None:
        """Type, on a new page if nothing else is said."""
        if not same_page:
            self.turn_the_page()
        os.write(self._terminal, text.encode())

    def read(self, seconds: float) -> bool:
        """Take what is shown within this time; False: the program has closed the terminal."""
        while select.select([self._terminal], [], [], seconds)[0]:
            try:
                block = os.read(self._terminal, 65536)
            except OSError:
                return False
            if not block:
                return False
            self.shown += block.decode(errors="replace")
            seconds = 0.0
        return True

    @property
    def text(self) -> str:
        """What was shown since the last typing, without colours and movements."""
        plain = _CONTROLS.sub(" ", self.shown[self._mark :])
        return re.sub(r"[\s\u00a0▌]+", " ", plain)

    def see(self, words: str, seconds: float = 30.0) -> None:
        """Wait for words."""
        wanted = " ".join(words.split())
        deadline = time.monotonic() + seconds
        while wanted not in self.text:
            assert time.monotonic() < deadline, f"not seen: {wanted!r} in {self.text[-3000:]!r}"
            if not self.read(0.1):
                assert wanted in self.text, f"ended before {wanted!r}: {self.text[-3000:]!r}"
                return

    def hang_up(self) -> None:
        """Let the terminal disappear."""
        if self._terminal >= 0:
            os.close(self._terminal)
            self._terminal = -1

    def ended(self, seconds: float = 20.0) -> int:
        """Wait for the end of the program; returns its exit code."""
        deadline = time.monotonic() + seconds
        while self._code is None:
            if self._terminal >= 0:
                self.read(0.05)
            else:
                time.sleep(0.05)
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self._code = os.waitstatus_to_exitcode(status)
            assert time.monotonic() < deadline, f"still running: {self.text[-2000:]!r}"
        return self._code
