"""The commands, as programs of their own, against fakes that speak the Slice."""

import contextlib
import functools
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from iceflix.contract import Ice, IceFlix
from tests.conftest import wait_until
from tests.unit.client.fakes import FakeControl, FakeController, Platform, tapped
from tests.unit.client.rtp import Sender, frames, make_clip

PASSWORD = "secreto"
SECONDS = 3.0
METROPOLIS = "aa11" + "0" * 60


class LiveController(FakeController):
    """Sends a clip as soon as it is asked for the description."""

    clip = Path()
    senders: ClassVar[list[Sender]] = []

    def getSDP(  # pylint: disable=invalid-name  # the Slice contract fixes the name
        self, authentication: str, port: int, current: Ice.Current | None = None
    ) -> str:
        """Send."""
        super().getSDP(authentication, port, current)
        sender = Sender(self.clip, port, SECONDS)
        self.senders.append(sender)
        description = sender.sdp
        sender.play()
        return description

    def stop(self, current: Ice.Current | None = None) -> None:
        """End."""
        for sender in self.senders:
            sender.close()
        super().stop(current)


@pytest.fixture(name="platform")
def _platform() -> Iterator[Platform]:
    platform = Platform()
    platform.catalog.titles = {
        METROPOLIS: ("Metropolis", ["silent", "city"]),
        "ab12" + "0" * 60: ("Nosferatu\x1b[2J", ["silent"]),
        "cd34" + "0" * 60: ("Twice", []),
        "ce34" + "0" * 60: ("Twice", []),
    }
    yield platform
    platform.close()


@pytest.fixture(name="live")
def _live(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    """A platform that sends real packets."""
    monkeypatch.setattr(LiveController, "clip", make_clip(tmp_path / "clip.mp4", SECONDS))
    monkeypatch.setattr(LiveController, "senders", [])
    platform.provider.controller = LiveController
    yield platform
    for sender in LiveController.senders:
        sender.close()


def environment(platform: Platform, home: Path, **more: str) -> dict[str, str]:
    """What a command needs to know."""
    clean = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return {
        **clean,
        "ICEFLIX_HOME": str(home),
        "ICEFLIX_MAIN": platform.address,
        "LANG": "C.UTF-8",
        **more,
    }


def iceflix(
    platform: Platform, home: Path, *arguments: str, stdin: str | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "iceflix.cli", *arguments],
        env=environment(platform, home, **more),
        input=stdin or "",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_searching(platform: Platform, tmp_path: Path) -> None:
    """Searching."""
    done = iceflix(platform, tmp_path, "search", "etro")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{METROPOLIS}\tMetropolis\tsilent, city\n"
    iceflix(platform, tmp_path, "search", "Metropolis", "--exact")
    iceflix(platform, tmp_path, "search", "--tags", 'a,"b, c"', "--all")
    assert platform.calls.of("getTilesByName") == [("etro", False), ("Metropolis", True)]
    assert platform.calls.of("getTilesByTags") == [(["a", "b, c"], True)]


def test_output_is_harmless_and_json_is_exact(platform: Platform, tmp_path: Path) -> None:
    """Output is harmless and json is exact."""
    assert "\x1b" not in iceflix(platform, tmp_path, "search", "Nosf").stdout
    done = iceflix(platform, tmp_path, "search", "Nosf", "--json")
    assert "\x1b" not in done.stdout
    assert json.loads(done.stdout)[0]["name"] == "Nosferatu\x1b[2J"
    assert json.loads(done.stdout)[0]["tags"] == ["silent"]


def test_titles_are_found_by_name_id_and_prefix(platform: Platform, tmp_path: Path) -> None:
    """Titles are found by name id and prefix."""
    for wanted in ("Metropolis", METROPOLIS, "aa11"):
        assert iceflix(platform, tmp_path, "show", wanted).stdout.startswith(METROPOLIS)
    missing = iceflix(platform, tmp_path, "show", "Nothing")
    assert missing.returncode == 1
    assert missing.stderr == (
        "iceflix: No title is called “Nothing”. iceflix search shows them all.\n"
    )
    twice = iceflix(platform, tmp_path, "show", "Twice")
    assert twice.returncode == 1
    assert "cd3400000000, ce3400000000" in twice.stderr


def test_editing_with_a_password_file(platform: Platform, tmp_path: Path) -> None:
    """Editing with a password file."""
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\nsecond line\n")
    credentials = ("--user", "ana", "--password-file", str(file))
    done = iceflix(platform, tmp_path, "rename", "Metropolis", "Metrópolis, 1927", *credentials)
    assert done.stdout == f"{METROPOLIS}\tMetrópolis, 1927\tsilent, city\n", done.stderr
    done = iceflix(platform, tmp_path, "tag", "aa11", "x y", 'a,"b, c"', *credentials)
    assert platform.catalog.titles[METROPOLIS][1] == ["silent", "city", "x y", "a", "b, c"]
    done = iceflix(
        platform, tmp_path, "untag", "aa11", "city", "--user=ana", "--password-file=-",
        stdin=f"{PASSWORD}\n",
    )  # fmt: skip
    assert done.stdout.endswith('\tsilent, x y, a, "b, c"\n')


def test_credentials_from_the_environment(platform: Platform, tmp_path: Path) -> None:
    """Credentials from the environment."""
    more = {"ICEFLIX_USER": "ana", "ICEFLIX_PASSWORD": PASSWORD}
    assert iceflix(platform, tmp_path, "tag", "aa11", "x", **more).returncode == 0
    more["ICEFLIX_PASSWORD"] = "wrong"
    wrong = iceflix(platform, tmp_path, "tag", "aa11", "x", **more)
    assert (wrong.returncode, wrong.stderr) == (4, "iceflix: Wrong user or password.\n")


def test_missing_credentials(platform: Platform, tmp_path: Path) -> None:
    """Missing credentials."""
    nobody = iceflix(platform, tmp_path, "tag", "aa11", "x")
    assert nobody.returncode == 2
    assert "--user" in nobody.stderr
    nothing = iceflix(platform, tmp_path, "tag", "aa11", "x", "--user", "ana")
    assert nothing.returncode == 2
    assert "--password-file" in nothing.stderr
    unreadable = iceflix(
        platform, tmp_path, "tag", "aa11", "x", "--user=ana", "--password-file=/no/such"
    )
    assert unreadable.returncode == 1
    assert "cannot be read" in unreadable.stderr
    refused = iceflix(platform, tmp_path, "tag", "aa11", "x", "--password=secreto")
    assert refused.returncode == 2, "not on a command line, which everybody can read"


@pytest.mark.parametrize(
    ("main", "words"),
    [
        ("garbage:::", "is not a proxy"),
        ("IceFlix/Main:tcp -h 127.0.0.1 -p 1", "not running"),
    ],
)
def test_bad_proxies(platform: Platform, tmp_path: Path, main: str, words: str) -> None:
    """Bad proxies."""
    done = iceflix(platform, tmp_path, "search", "--main", main)
    assert done.returncode == 5
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_attempts_and_pause_are_settable(platform: Platform, tmp_path: Path) -> None:
    """Attempts and pause are settable."""
    platform.calls.fail["getCatalogService"] = IceFlix.TemporaryUnavailable
    done = iceflix(platform, tmp_path, "search", "--attempts=2", "--pause=0.01", "--lang=es")
    assert done.returncode == 5
    assert len(platform.calls.of("getCatalogService")) == 2
    one = iceflix(platform, tmp_path, "search", "--attempts=1")
    assert one.returncode == 5
    assert len(platform.calls.of("getCatalogService")) == 3


def converse(
    command: list[str], env: dict[str, str], steps: list[tuple[str, str]]
) -> tuple[str, int]:
    """Run a program on a pseudo-terminal; wait for each text, then type the answer."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe(command[0], command, env)
    shown = ""
    deadline = time.monotonic() + 60
    todo = list(steps)
    while time.monotonic() < deadline:
        if todo and todo[0][0] in shown:
            os.write(terminal, todo.pop(0)[1].encode())
        if not select.select([terminal], [], [], 0.05)[0]:
            continue
        try:
            block = os.read(terminal, 65536)
        except OSError:
            break
        shown += block.decode(errors="replace")
    os.close(terminal)
    return shown, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_the_password_is_neither_shown_nor_sent(platform: Platform, tmp_path: Path) -> None:
    """The password is neither shown nor sent."""
    tap = tapped(platform)
    shown, code = converse(
        [sys.executable, "-m", "iceflix.cli", "rename", "Metropolis", "Other"],
        environment(platform, tmp_path, TERM="xterm"),
        [("User", "ana\n"), ("Password of ana", f"{PASSWORD}\n")],
    )
    tap.close()
    assert code == 0, shown
    assert PASSWORD not in shown
    assert PASSWORD.encode() not in tap.seen
    assert platform.authenticator.users["ana"].encode() in tap.seen
    assert "Other" in shown
    assert platform.authenticator.users["ana"] not in shown


@pytest.mark.slow
def test_recording(live: Platform, tmp_path: Path) -> None:
    """Recording."""
    target = tmp_path / "out.mp4"
    more = {"ICEFLIX_USER": "ana", "ICEFLIX_PASSWORD": PASSWORD}
    done = iceflix(live, tmp_path, "record", "Metropolis", str(target), "--json", **more)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["lost"] == 0
    assert figures["seconds"] == pytest.approx(SECONDS, abs=0.2)
    assert frames(target) == frames(LiveController.clip)
    assert live.calls.of("stop")
    again = iceflix(live, tmp_path, "record", "Metropolis", str(target), **more)
    assert again.returncode == 1
    assert "exists already" in again.stderr


@pytest.mark.slow
def test_recording_so_many_seconds(live: Platform, tmp_path: Path) -> None:
    """Recording so many seconds."""
    target = tmp_path / "out.mkv"
    more = {"ICEFLIX_USER": "ana", "ICEFLIX_PASSWORD": PASSWORD}
    done = iceflix(live, tmp_path, "record", "aa11", str(target), "--seconds=1", **more)
    assert done.returncode == 0, done.stderr
    assert 20 < frames(target) < frames(LiveController.clip)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_complete_the_file_and_stop_the_stream(
    live: Platform, tmp_path: Path, number: signal.Signals
) -> None:
    """Signals complete the file and stop the stream."""
    target = tmp_path / "out.mp4"
    more = {"ICEFLIX_USER": "ana", "ICEFLIX_PASSWORD": PASSWORD}
    with subprocess.Popen(
        [sys.executable, "-m", "iceflix.cli", "record", "aa11", str(target)],
        env=environment(live, tmp_path, **more),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(lambda: live.calls.of("getSDP"), 30)
        time.sleep(1)  # something to record
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert said.startswith("Saved "), said
    assert live.calls.of("stop")
    assert frames(target) > 5


@pytest.mark.slow
def test_a_program_plays(live: Platform, tmp_path: Path) -> None:
    """Ffplay plays without a display here, and its end is ours."""
    more = {"ICEFLIX_USER": "ana", "ICEFLIX_PASSWORD": PASSWORD}
    more |= {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}
    done = iceflix(live, tmp_path, "play", "aa11", "--player=ffplay", "--json", **more)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["packets"] > 50
    assert live.calls.of("stop")


def test_playing_without_a_display_gives_advice(platform: Platform, tmp_path: Path) -> None:
    """Playing without a display gives advice."""
    more = {"ICEFLIX_USER": "ana", "ICEFLIX_PASSWORD": PASSWORD}
    done = iceflix(platform, tmp_path, "play", "aa11", **more)
    assert done.returncode == 1
    assert "no display" in done.stderr
    assert not platform.calls.made, "the server was not troubled"


def test_starting_in_the_middle(live: Platform, tmp_path: Path) -> None:
    """A foreign server cannot; wrong positions are refused before anything is asked."""
    more = {"ICEFLIX_USER": "ana", "ICEFLIX_PASSWORD": PASSWORD}
    target = str(tmp_path / "out.mp4")
    done = iceflix(live, tmp_path, "record", "aa11", target, "--start=1:30", **more)
    assert done.returncode == 1
    assert "plays from beginning to end" in done.stderr
    live.calls.made.clear()
    wrong = iceflix(live, tmp_path, "play", "aa11", "--start=1:99", "--player=ffplay", **more)
    assert wrong.returncode == 2
    assert "positions look like 1:30" in wrong.stderr
    assert not live.calls.made


def test_the_position_reaches_the_server(platform: Platform, tmp_path: Path) -> None:
    """The position reaches the server, in seconds."""
    platform.provider.controller = FakeControl
    platform.calls.fail["startAt"] = lambda: IceFlix.ControlRefused("no such position")
    more = {"ICEFLIX_USER": "ana", "ICEFLIX_PASSWORD": PASSWORD}
    target = str(tmp_path / "out.mp4")
    done = iceflix(platform, tmp_path, "record", "aa11", target, "--start=1:30", **more)
    assert done.returncode == 1
    assert done.stderr == "iceflix: The video server refuses: no such position.\n"
    assert platform.calls.of("startAt") == [(90.0,)]


def test_an_rtsp_url_is_printed_and_kept(platform: Platform, tmp_path: Path) -> None:
    """It is good until Ctrl-C, and ends with it."""
    platform.provider.controller = FakeControl
    more = {"ICEFLIX_USER": "ana", "ICEFLIX_PASSWORD": PASSWORD}
    with subprocess.Popen(
        [sys.executable, "-m", "iceflix.cli", "play", "aa11", "--rtsp"],
        env=environment(platform, tmp_path, PYTHONUNBUFFERED="1", **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "rtsp://127.0.0.1:8554/unguessable\n"
        assert not platform.calls.of("stop")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert platform.calls.of("stop")
    assert not platform.calls.of("getSDP")


def test_a_program_plays_by_rtsp(platform: Platform, tmp_path: Path) -> None:
    """It gets the URL, and its end is ours."""
    platform.provider.controller = FakeControl
    more = {"ICEFLIX_USER": "ana", "ICEFLIX_PASSWORD": PASSWORD}
    seen = tmp_path / "seen"
    program = f"{sys.executable} -c \"import sys; open('{seen}', 'w').write(sys.argv[1])\""
    done = iceflix(platform, tmp_path, "play", "aa11", "--rtsp", f"--player={program}", **more)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert seen.read_text() == "rtsp://127.0.0.1:8554/unguessable"
    both = iceflix(platform, tmp_path, "play", "aa11", "--rtsp", "--start=5", **more)
    assert both.returncode == 2
    missing = iceflix(platform, tmp_path, "play", "aa11", "--rtsp", "--player=no-such", **more)
    assert "is not installed" in missing.stderr


@pytest.mark.slow
def test_keys_while_playing(platform: Platform, tmp_path: Path) -> None:
    """On a terminal, keys pause, seek and stop."""
    platform.provider.controller = FakeControl
    player = f"{sys.executable} -c 'import time; time.sleep(60)'"
    more = {"ICEFLIX_USER": "ana", "ICEFLIX_PASSWORD": PASSWORD, "TERM": "xterm"}
    process, terminal = pty.fork()
    if process == 0:
        command = [sys.executable, "-m", "iceflix.cli", "play", "aa11", f"--player={player}"]
        os.execvpe(command[0], command, environment(platform, tmp_path, **more))

    def shown() -> None:
        """Take what it writes, so that it does not wait for us."""
        while select.select([terminal], [], [], 0)[0]:
            os.read(terminal, 65536)

    def called(operation: str, times: int) -> bool:
        shown()
        return len(platform.calls.of(operation)) >= times

    wait_until(lambda: called("state", 2), 30)
    for key, operation, times in (
        ("\x1b[C", "seek", 1),
        ("\x1b[D", "seek", 2),
        ("\x1b[H", "seek", 3),
        (" ", "pause", 1),
        (" ", "resume", 1),
        ("q", "stop", 1),
    ):
        os.write(terminal, key.encode())
        wait_until(functools.partial(called, operation, times), 30, key)
    assert [round(seconds) for (seconds,) in platform.calls.of("seek")] == [10, 0, 0]
    with contextlib.suppress(OSError):
        while True:
            os.read(terminal, 65536)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def test_completion_scripts(platform: Platform, tmp_path: Path) -> None:
    """Completion scripts."""
    for shell, words in (("bash", "complete -o nosort"), ("zsh", "compdef")):
        done = iceflix(platform, tmp_path, "completion", shell)
        assert done.returncode == 0, done.stderr
        assert words in done.stdout


def test_titles_are_completed(platform: Platform, tmp_path: Path) -> None:
    """Titles are completed."""
    more = {"_ICEFLIX_COMPLETE": "bash_complete", "COMP_WORDS": "iceflix show Met"}
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = iceflix(platform, tmp_path, COMP_CWORD="2", **more)
        assert "plain,Metropolis" in done.stdout
