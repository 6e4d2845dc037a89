"""``iceflix users`` and ``add_user`` as a person or a script uses them (V71)."""

import json
import os
import pty
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iceflix.auth import commands
from iceflix.auth.passwords import digest, parse
from iceflix.auth.running import tell_authenticators
from iceflix.runtime.settings import Settings

Run = Callable[..., Result]


@pytest.fixture(name="run")
def fixture_run(tmp_path: Path) -> Run:
    """Run ``iceflix users`` with these arguments in a home of its own."""

    def runner(
        *arguments: str, stdin: str | bytes | None = None, file: Path | None = None
    ) -> Result:
        settings = Settings.of(tmp_path, {"Auth.File": str(file)} if file else {})
        return CliRunner().invoke(commands.users, arguments, stdin, obj=settings)

    return runner


def stored(home: Path, user: str) -> str:
    """What the file says of a user's password."""
    entries = json.loads((home / "users.json").read_text(encoding="utf-8"))
    return str(entries[user]["password_hash"])


def test_the_file_is_written_though_nobody_runs_and_the_exit_code_says_so(
    run: Run, tmp_path: Path
) -> None:
    """V71."""
    result = run("add", "ana", "secret")
    assert result.exit_code == commands.EXIT_NOBODY_TOLD == 3
    assert "ana may sign in now" in result.stdout
    assert "No Authenticator runs here" in result.stderr
    assert stored(tmp_path, "ana") == digest(b"secret")


def test_an_existing_user_gets_a_new_password(run: Run, tmp_path: Path) -> None:
    """V71: and is told so."""
    run("add", "ana", "secret")
    assert "ana has a new password" in run("add", "ana", "contraseña").stdout
    assert stored(tmp_path, "ana") == digest("contraseña".encode())


def test_the_password_is_hashed_as_typed(run: Run, tmp_path: Path) -> None:
    """Byte for byte: no normalisation, no trimming."""
    run("add", "ana", "n\u0303 \"quoted\" 'too' \udcff ")
    expected = "n\u0303 \"quoted\" 'too' ".encode() + b"\xff "
    assert stored(tmp_path, "ana") == digest(expected)


@pytest.mark.parametrize("line", [b"secret\n", b"secret\r\n", b"secret", b"secret\nrest\n"])
def test_the_password_comes_from_standard_input(run: Run, tmp_path: Path, line: bytes) -> None:
    """Its first line, without the line end."""
    assert run("add", "ana", stdin=line).exit_code == 3
    assert stored(tmp_path, "ana") == digest(b"secret")


@pytest.mark.parametrize(
    "arguments",
    [
        ("add",),
        ("add", "ana", "secret", "more"),
        ("add", "--nonsense", "ana", "secret"),
        ("add", "", "secret"),
        ("add", "a\nb", "secret"),
        ("add", "x" * 300, "secret"),
        ("add", "ana", ""),
        ("remove",),
        ("nonsense",),
    ],
)
def test_wrong_usage_gets_the_usage(run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """V71: exit code 2, nothing written."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr
    assert not (tmp_path / "users.json").exists()


def test_no_password_on_standard_input_is_wrong_usage(run: Run) -> None:
    """An empty password is none."""
    assert run("add", "ana", stdin="\n").exit_code == 2


def test_scrypt_keeps_no_digest(run: Run, tmp_path: Path) -> None:
    """On request."""
    run("add", "--scrypt", "ana", "secret")
    text = stored(tmp_path, "ana")
    assert text.startswith("scrypt$")
    hashed = parse(text)
    assert hashed is not None
    assert hashed.matches(digest(b"secret"))


def test_remove(run: Run, tmp_path: Path) -> None:
    """And removing nobody."""
    run("add", "ana", "secret")
    assert run("remove", "ana").exit_code == 3
    assert json.loads((tmp_path / "users.json").read_text()) == {}
    result = run("remove", "ana")
    assert result.exit_code == 1
    assert "there is no user ana" in result.stderr


def test_a_csv_is_edited_here_while_nobody_runs_who_could_be_asked(
    run: Run, tmp_path: Path
) -> None:
    """As a .json is (V71): new, then with another password; to be told, there is nobody."""
    file = tmp_path / "users.csv"
    for password in ("secret", "other"):
        result = run("add", "ana@example.org", password, "--replace", file=file)
        assert result.exit_code == 3, result.stderr
        assert file.read_text().splitlines()[1] == f"ana@example.org,{digest(password.encode())}"


def test_list(run: Run, tmp_path: Path) -> None:
    """For people and for scripts."""
    assert "no users" in run("list").stderr
    run("add", "ana", "secret")
    run("add", "Ñandú", "secret")
    assert run("list").stdout == "ana\tsha256\nÑandú\tsha256\n"
    assert json.loads(run("list", "--json").stdout) == [
        {"name": "ana", "keeps": "sha256"},
        {"name": "Ñandú", "keeps": "sha256"},
    ]
    (tmp_path / "users.json").write_text('{"leo": {}}')
    assert "leo\tcannot sign in" in run("list").stdout


def test_a_malformed_file_is_explained_without_a_traceback(run: Run, tmp_path: Path) -> None:
    """Line and column."""
    (tmp_path / "users.json").write_text("{,}")
    for arguments in (("add", "ana", "x"), ("remove", "ana"), ("list",)):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "line 1, column 2" in result.stderr
        assert "Traceback" not in result.output


_DECOY = textwrap.dedent(
    """
    import signal, sys
    signals = {signal.SIGUSR1, signal.SIGTERM}
    if sys.argv[1] != "something":
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    print("up", flush=True)
    print(signal.Signals(signal.sigwait(signals)).name, flush=True)
    signal.sigwait(signals)
    """
)


@pytest.fixture(name="start")
def fixture_start(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start a process that looks like a service and leave its pid file."""
    started: list[subprocess.Popen[str]] = []

    def starter(*words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", _DECOY, *words]
        process = subprocess.Popen(  # pylint: disable=consider-using-with  # killed below
            command, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        (folder / f"auth-{process.pid}.pid").write_text(f"{process.pid}\n")
        return process

    yield starter
    for process in started:
        process.kill()
        process.communicate()


def test_every_running_authenticator_is_told(
    start: Callable[..., "subprocess.Popen[str]"], run: Run
) -> None:
    """V71: all of this home."""
    services = [
        start("iceflix", "serve", "auth"),
        start("-m", "iceflix.ops.serve", "auth", "--A.B=c"),
    ]
    result = run("add", "ana", "secret")
    assert result.exit_code == 0
    assert result.stderr == ""
    for service in services:
        assert service.stdout is not None
        assert service.stdout.readline() == "SIGUSR1\n"


def test_strangers_and_stale_files_are_left_alone(
    start: Callable[..., "subprocess.Popen[str]"], run: Run, tmp_path: Path
) -> None:
    """SIGUSR1 kills who does not expect it."""
    strangers = [
        start("something", "else"),
        start("iceflix", "serve", "catalog"),
        start("iceflix", "users", "auth"),
        start("other", "serve", "auth"),
    ]
    dead = start("iceflix", "serve", "auth")
    dead.kill()
    dead.wait()
    for number, content in enumerate(["", "x", "-1", "0", "1", "99999999999999999999"]):
        (tmp_path / "run" / f"auth-odd{number}.pid").write_text(content)
    (tmp_path / "run" / "auth-folder.pid").mkdir()
    assert not tell_authenticators(tmp_path)
    assert run("add", "ana", "secret").exit_code == 3
    assert all(stranger.poll() is None for stranger in strangers)


def add_user(*arguments: str) -> list[str]:
    """The command line of the launcher, after its set-up."""
    return [sys.executable, "-P", "-m", "iceflix.cli", "users", "add", *arguments]


def test_the_launcher_passes_properties_and_exit_codes_on(tmp_path: Path) -> None:
    """V71: and shows the usage."""
    file = tmp_path / "elsewhere.json"
    for arguments, code, said in [
        (["ana", "secret", f"--Auth.File={file}"], 3, "No Authenticator runs here"),
        ([], 2, "users add [OPTIONS] NAME [PASSWORD]"),
        (["a", "b", "c"], 2, "Usage:"),
        (["ana", "secret", "--Auth.Flie=x"], 2, "did you mean Auth.File?"),
    ]:
        done = subprocess.run(
            add_user(*arguments),
            env={**os.environ, "ICEFLIX_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert list(json.loads(file.read_text())) == ["ana"]


_PROMPT = re.compile(rb"(?:Password|confirmation): ")


def _answer_prompts(home: Path, answers: list[bytes]) -> tuple[int, bytes]:
    """Run ``add_user ana`` on a terminal of its own; return its exit code and the screen."""
    child, terminal = pty.fork()
    if child == 0:
        environment = {**os.environ, "ICEFLIX_HOME": str(home)}
        os.execve(sys.executable, add_user("ana"), environment)
    screen, asked = b"", 0
    while True:
        try:
            piece = os.read(terminal, 1024)
        except OSError:
            break
        if not piece:
            break
        screen += piece
        if len(_PROMPT.findall(screen)) > asked and asked < len(answers):
            os.write(terminal, answers[asked] + b"\n")
            asked += 1
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), screen


@pytest.mark.slow
def test_the_password_is_asked_for_twice_without_echo(tmp_path: Path) -> None:
    """On a real terminal."""
    code, screen = _answer_prompts(tmp_path, ["contraseña".encode()] * 2)
    assert code == 3
    assert b"contrase" not in screen
    assert len(_PROMPT.findall(screen)) == 2
    assert stored(tmp_path, "ana") == digest("contraseña".encode())


@pytest.mark.slow
def test_two_different_passwords_are_asked_for_again(tmp_path: Path) -> None:
    """On a real terminal."""
    code, screen = _answer_prompts(tmp_path, [b"one", b"two", b"secret", b"secret"])
    assert code == 3
    assert b"do not match" in screen
    assert stored(tmp_path, "ana") == digest(b"secret")
