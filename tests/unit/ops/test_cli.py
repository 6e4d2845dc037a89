"""The command line itself: help, codes, properties; never a traceback."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from iceflix import cli
from iceflix.ops import guard
from iceflix.runtime.errors import NotAvailable, SetupError

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICEFLIX_HOME", str(tmp_path))


def test_help_names_every_command(capsys: Capture) -> None:
    """And imports none of them."""
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    for name, entry in cli.COMMANDS.items():
        assert f"  {name} " in out and entry.summary in out


def test_help_loads_neither_ice_nor_the_features() -> None:
    """It is there at once."""
    loaded = "import sys, iceflix.cli; iceflix.cli.main(['--help']); print(*sys.modules, sep='\\n')"
    asked = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    )
    modules = set(asked.stdout.splitlines())
    assert "iceflix.cli" in modules
    assert not modules & {"Ice", "rich", "sqlalchemy", "textual", "iceflix.auth"}


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_has_help(name: str, capsys: Capture) -> None:
    """And is where the table says."""
    assert cli.main([name, "--help"]) == 0
    assert f"Usage: iceflix {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "No such command 'nope'"),
        (["users", "list", "--Auth.Flie=x"], "unknown property Auth.Flie; did you mean Auth.File?"),
        (["users"], "Usage: iceflix users"),
        (["users", "add"], "Missing argument 'NAME'"),
        (["serve"], "Missing argument"),
        (["serve", "everything"], "'everything' is not one of"),
        (["status", "--Ice.Config=/nowhere"], "cannot read the configuration file /nowhere"),
        (["status", "--main", "a b c"], "Client.Main: 'a b c' is no proxy"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str, capsys: Capture) -> None:
    """Code 2 and a sentence."""
    assert cli.main(arguments) == 2
    assert said in capsys.readouterr().err


def test_properties_reach_the_settings(tmp_path: Path, capsys: Capture) -> None:
    """Before or after the command; the shipped file does not undo them."""
    file = tmp_path / "others.json"
    file.write_text('{"ana": {"password_hash": "x"}}')
    for arguments in (
        ["users", "list", f"--Auth.File={file}"],
        [f"--Auth.File={file}", "users", "list"],
    ):
        assert cli.main(arguments) == 0
        assert "ana" in capsys.readouterr().out


def test_there_is_nobody_to_report_on(capsys: Capture) -> None:
    """Status says what is missing and how to bring it, with code 1."""
    nowhere = ["--Client.Main=IceFlix/Main:tcp -h 127.0.0.1 -p 1"]
    nowhere += ["--IceStorm.TopicManager.Proxy=IceStorm/TopicManager:tcp -h 127.0.0.1 -p 1"]
    assert cli.main(["status", *nowhere]) == 1
    out = capsys.readouterr().out
    assert "no IceStorm answers" in out and "Main does not answer" in out
    assert cli.main(["status", "--json", *nowhere]) == 1
    assert '"well": false' in capsys.readouterr().out


def _raising(error: BaseException) -> Callable[[], int]:
    def run() -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (SetupError("wrong file"), 2, "iceflix: wrong file\n"),
        (guard.Occupied("taken"), 1, "iceflix: taken\n"),
        (NotAvailable("nobody there"), 1, "iceflix: nobody there\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_ends_a_command(error: BaseException, code: int, said: str, capsys: Capture) -> None:
    """Sentences and codes."""
    assert guard.guarded(_raising(error)) == code
    assert capsys.readouterr().err == said


def test_the_unexpected_leaves_a_trace_in_a_file_only(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless somebody debugs."""
    assert guard.guarded(_raising(ZeroDivisionError("secret"))) == 1
    said = capsys.readouterr().err
    log = tmp_path / "logs/commands.log"
    assert str(log) in said and "secret" not in said and "Traceback" not in said
    assert "ZeroDivisionError: secret" in log.read_text()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ICEFLIX_HOME", str(tmp_path / "file"))
    assert guard.guarded(_raising(ZeroDivisionError("x"))) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    monkeypatch.setenv("ICEFLIX_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        guard.guarded(_raising(ZeroDivisionError("x")))


def test_click_says_usage_errors_and_ctrl_c() -> None:
    """In its own words, with our codes."""

    @click.command()
    def interrupted() -> None:
        raise KeyboardInterrupt

    @click.command()
    @click.pass_context
    def told(context: click.Context) -> None:
        assert context.obj == "settings"
        context.exit(3)

    assert guard.run_click(interrupted, [], "x", None) == 130
    assert guard.run_click(told, [], "x", "settings") == 3
    assert guard.run_click(told, ["--no"], "x", None) == 2


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_trouble() -> None:
    """``iceflix doctor | head -n 0``."""
    reader, writer = os.pipe()
    os.close(reader)
    asked = subprocess.run(
        [sys.executable, "-m", "iceflix.cli", "doctor"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert asked.stderr == "" and asked.returncode in {1, 141}


@pytest.mark.slow
def test_ctrl_c_in_a_command_ends_it_quietly() -> None:
    """Code 130, no traceback; here while it asks for a password on a terminal."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "iceflix.cli", "users", "add", "ana"])
    seen = b""
    interrupted = False
    try:
        while True:
            seen += os.read(terminal, 1000)
            if b"Password:" in seen and not interrupted:
                os.write(terminal, b"\x03")
                interrupted = True
    except OSError:  # it has ended
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130
    assert b"Traceback" not in seen
