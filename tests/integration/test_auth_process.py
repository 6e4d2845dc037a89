"""The Authenticator as a process, and the administration of its users (V12, V71, V72)."""

import contextlib
import functools
import hashlib
import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from iceflix.auth import admin
from iceflix.contract import Ice, IceFlix
from tests.conftest import (
    Eventually,
    ProcessStarter,
    ServiceProcess,
    command,
)

pytestmark = pytest.mark.slow

SECRET = hashlib.sha256(b"secret").hexdigest()
Start = Callable[..., ServiceProcess]


def users(home: Path, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Run ``iceflix users`` to its end."""
    return command(home, "users", *arguments, stdin=stdin)


def authenticator(process: ServiceProcess, ice: Ice.Communicator) -> IceFlix.AuthenticatorPrx:
    """The Authenticator of this process, once it is ready."""
    return IceFlix.AuthenticatorPrx.uncheckedCast(ice.stringToProxy(process.proxy()))


@pytest.fixture(name="start")
def _start(start_process: ProcessStarter) -> Start:
    """Start Authenticators of one home."""
    return functools.partial(start_process, "auth")


def test_add_user_reaches_all_that_run_without_stopping_them(
    tmp_path: Path, start: Start, ice: Ice.Communicator
) -> None:
    """V71: the login works as soon as the command has ended, at the same processes."""
    admin.put_user(tmp_path / "users.json", "ana", SECRET)
    processes = [start(), start()]
    proxies = [authenticator(process, ice) for process in processes]
    token = proxies[0].refreshAuthorization("ana", SECRET)
    done = users(tmp_path, "add", 'Ñandú "o\'tro"', 'cla"ve €')
    assert (done.returncode, done.stderr) == (0, "")
    key = hashlib.sha256('cla"ve €'.encode()).hexdigest()
    for proxy in proxies:
        assert proxy.isAuthorized(proxy.refreshAuthorization('Ñandú "o\'tro"', key))
        assert proxy.isAuthorized(token)
    assert users(tmp_path, "add", "ana", stdin="changed\n").returncode == 0
    assert users(tmp_path, "remove", 'Ñandú "o\'tro"').returncode == 0
    for proxy in proxies:
        assert not proxy.isAuthorized(token)
        for name, digest in (("ana", SECRET), ('Ñandú "o\'tro"', key)):
            with pytest.raises(IceFlix.Unauthorized):
                proxy.refreshAuthorization(name, digest)
    assert [process.popen.poll() for process in processes] == [None, None]


def test_the_signal_reloads(tmp_path: Path, start: Start, ice: Ice.Communicator) -> None:
    """V72: an edited file, a broken one, a good one; the process stays."""
    file = tmp_path / "users.json"
    admin.put_user(file, "ana", SECRET)
    process = start()
    proxy = authenticator(process, ice)
    for content, user in [
        ('{"leo": {"password_hash": "%s"}}', "leo"),
        ('{"leo": {"password_hash": "%s"}', "leo"),
        ('{"eva": {"password_hash": "%s"}}', "eva"),
    ]:
        file.write_text(content.replace("%s", SECRET))
        process.popen.send_signal(signal.SIGUSR1)
        assert proxy.refreshAuthorization(user, SECRET)
    assert process.popen.poll() is None


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no credentials file"),
        ('{\n"ana": {\n', "line 3, column 1"),
        ('{"ana": "hash"}', "the entry of 'ana'"),
    ],
)
def test_it_says_in_a_sentence_why_it_cannot_start(
    tmp_path: Path, start: Start, content: str | None, sentence: str
) -> None:
    """V12: and its exit code is not 0."""
    if content is not None:
        (tmp_path / "users.json").write_text(content)
    popen = start().popen
    _, said = popen.communicate(timeout=30)
    assert popen.returncode == 2
    assert said.startswith("iceflix auth: ")
    assert sentence in said
    assert "Traceback" not in said


def test_a_key_that_others_can_read_keeps_it_from_starting(tmp_path: Path, start: Start) -> None:
    """With the command that mends it."""
    admin.put_user(tmp_path / "users.json", "ana", SECRET)
    (tmp_path / "token.key").write_text("0" * 64)
    (tmp_path / "token.key").chmod(0o644)
    popen = start().popen
    _, said = popen.communicate(timeout=30)
    assert popen.returncode == 2
    assert f"chmod 600 {tmp_path / 'token.key'}" in said


def test_two_that_start_at_once_share_the_key(
    tmp_path: Path, start: Start, ice: Ice.Communicator
) -> None:
    """V20: whoever makes it."""
    admin.put_user(tmp_path / "users.json", "ana", SECRET)
    first, second = start(), start()
    token = authenticator(first, ice).refreshAuthorization("ana", SECRET)
    assert authenticator(second, ice).isAuthorized(token)


def test_a_killed_issuer_leaves_its_tokens_good(
    tmp_path: Path, start: Start, ice: Ice.Communicator, eventually: Eventually
) -> None:
    """V20, V21: kill -9; they expire all the same."""
    admin.put_user(tmp_path / "users.json", "ana", SECRET)
    first, second = (start("--Auth.TokenSeconds=3") for _ in range(2))
    second_proxy = authenticator(second, ice)
    token = authenticator(first, ice).refreshAuthorization("ana", SECRET)
    first.popen.kill()
    assert second_proxy.isAuthorized(token)
    eventually(lambda: not second_proxy.isAuthorized(token), 5)
    first.popen.wait()
    assert users(tmp_path, "add", "leo", "x").returncode == 0, "the one that is left was told"


def test_kill_9_in_mid_write_leaves_a_whole_file(tmp_path: Path) -> None:
    """V71: at whatever moment; nobody's entry is lost, and the next writer tidies up."""
    file = tmp_path / "users.json"
    many = {f"user{number}": {"password_hash": SECRET} for number in range(3000)}
    file.write_text(json.dumps(many))
    chance = random.Random(1)
    program = (
        "import sys; from pathlib import Path; from iceflix.auth import admin\n"
        "for number in range(10_000):\n"
        "    admin.put_user(Path(sys.argv[1]), f'new{number}', 'x' * 64)\n"
        "    print(number, flush=True)\n"
    )
    added = 0
    for _ in range(15):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            with contextlib.suppress(subprocess.TimeoutExpired):
                writer.wait(chance.uniform(0.0, 0.15))
            writer.kill()
        entries = json.loads(file.read_bytes())
        assert all(user in entries for user in many)
        assert len(entries) - len(many) >= added
        added = len(entries) - len(many)
    assert added >= 1
    admin.put_user(file, "last", SECRET)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["users.json", "users.json.lock"]
