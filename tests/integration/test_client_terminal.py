"""The terminal application in a pseudo-terminal: signals, vanishing terminals, no colours."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.unit.client.fakes import Platform, tapped
from tests.unit.client.terminal import Terminal

pytestmark = pytest.mark.slow
PASSWORD = "secreto"


@pytest.fixture(name="platform")
def _platform() -> Iterator[Platform]:
    platform = Platform()
    platform.catalog.titles = {"aa11" + "0" * 60: ("Metropolis", ["silent"])}
    yield platform
    platform.close()


def client(platform: Platform, home: Path, *arguments: str, **more: str) -> Terminal:
    """Start the application."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "ICEFLIX_HOME": str(home),
        "ICEFLIX_MAIN": platform.address,
        "ICEFLIX_PLAYER": "sleep 60 #",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        **more,
    }
    return Terminal([sys.executable, "-m", "iceflix.cli", "client", *arguments], environment)


def playing(terminal: Terminal) -> None:
    """Go all the way to a playing title."""
    terminal.see("Proxy of Main")
    terminal.type("\r")
    terminal.see("● online")
    terminal.type("\x0c")
    terminal.see("Password")
    terminal.type(f"ana\r{PASSWORD}\r")
    terminal.see("user: ana")
    terminal.type("/\r")
    terminal.see("1 title")
    terminal.type("\r")
    terminal.see("Selected: Metropolis")
    terminal.type("p")
    terminal.see("Playing: Metropolis")


def restored(terminal: Terminal) -> bool:
    """Whether the terminal was left as it was found: main screen, cursor, no mouse."""
    shown = terminal.shown
    return (
        shown.rfind("\x1b[?1049l") > shown.rfind("\x1b[?1049h")
        and shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l")
        and shown.rfind("\x1b[?1000l") > shown.rfind("\x1b[?1000h")
    )


@pytest.mark.parametrize("key", ["\x03", "\x11"])
def test_leaving_by_key_ends_the_stream(platform: Platform, tmp_path: Path, key: str) -> None:
    """Leaving by key ends the stream."""
    with client(platform, tmp_path) as terminal:
        playing(terminal)
        terminal.type(key)
        assert terminal.ended() == 0
        assert restored(terminal)
        assert "Traceback" not in terminal.shown
        assert PASSWORD not in terminal.shown
    assert platform.calls.of("stop")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_end_the_stream(platform: Platform, tmp_path: Path, number: signal.Signals) -> None:
    """Signals end the stream."""
    with client(platform, tmp_path) as terminal:
        playing(terminal)
        os.kill(terminal.pid, number)
        assert terminal.ended() == 128 + number
        assert restored(terminal)
        assert "Traceback" not in terminal.shown
    assert platform.calls.of("stop")


def test_a_terminal_that_disappears_leaves_no_stream(platform: Platform, tmp_path: Path) -> None:
    """A terminal that disappears leaves no stream."""
    with client(platform, tmp_path) as terminal:
        playing(terminal)
        terminal.hang_up()
        terminal.ended()
    wait_until(lambda: platform.calls.of("stop"))
    log = tmp_path / "logs" / "client.log"
    assert not log.exists() or "Traceback" not in log.read_text()


def test_ctrl_c_in_a_dialogue(platform: Platform, tmp_path: Path) -> None:
    """Ctrl c in a dialogue."""
    with client(platform, tmp_path) as terminal:
        terminal.see("Proxy of Main")
        terminal.type("\x03")
        assert terminal.ended() == 0
        assert restored(terminal)


def test_without_colours(platform: Platform, tmp_path: Path) -> None:
    """Without colours."""
    with client(platform, tmp_path, NO_COLOR="1", TERM="vt100") as terminal:
        playing(terminal)
        terminal.type("\x11")
        assert terminal.ended() == 0


def test_a_proxy_on_the_command_line_connects_at_once(platform: Platform, tmp_path: Path) -> None:
    """A proxy on the command line connects at once."""
    with client(platform, tmp_path, platform.address, "--lang", "es") as terminal:
        terminal.see("● conectado")
        terminal.type("\x11")
        assert terminal.ended() == 0


def test_wrong_arguments(platform: Platform, tmp_path: Path) -> None:
    """Wrong arguments."""
    for arguments, words in ((["--nonsense"], "--player"), (["--lang", "xx"], "Known: en, es")):
        with client(platform, tmp_path, *arguments) as terminal:
            assert terminal.ended() == 2
            assert words in terminal.text


def test_the_digest_is_sent_and_the_password_is_not(platform: Platform, tmp_path: Path) -> None:
    """The digest is sent and the password is not."""
    tap = tapped(platform)
    with client(platform, tmp_path) as terminal:
        playing(terminal)
        terminal.type("\x11")
        terminal.ended()
        assert PASSWORD not in terminal.shown
    tap.close()
    assert PASSWORD.encode() not in tap.seen
    assert platform.authenticator.users["ana"].encode() in tap.seen
