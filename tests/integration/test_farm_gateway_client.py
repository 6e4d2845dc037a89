"""``iceflix filter`` and its dialogue, as a person has them (F06-F12, F19)."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iceflix.contract import IceFlix
from iceflix.contract.reasons import FILTER_FAILED, NOT_AUTHORIZED
from tests.conftest import ROOT, Broker
from tests.integration.farm_stage import HASH, USER, Stage, staged

pytestmark = pytest.mark.slow


@pytest.fixture(name="module_stage", scope="module")
def _module_stage(
    shared_broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """One gateway, and a share with two images."""
    with staged(shared_broker, tmp_path_factory.mktemp("home")) as stage:
        (stage.home / "images" / "año").mkdir(parents=True)
        (stage.home / "images" / "a.png").write_bytes(b"one")
        (stage.home / "images" / "año" / "b.png").write_bytes(b"two")
        yield stage


@pytest.fixture(name="stage")
def _stage(module_stage: Stage) -> Stage:
    module_stage.reset()
    return module_stage


def _command(*arguments: str) -> list[str]:
    return [
        *(sys.executable, "-P", "-m", "iceflix.cli", "filter"),
        "--Gateway.Naming=127.0.0.1:0",
        *arguments,
    ]


def _filter(
    stage: Stage, *arguments: str, password: str = "secret"
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        _command(*arguments),
        env=os.environ | {"ICEFLIX_HOME": str(stage.home), "ICEFLIX_USER": USER},
        cwd=ROOT,
        input=f"{password}\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.parametrize("via", ["corba", "ice"])
def test_images_are_filtered(stage: Stage, via: str) -> None:
    """F10-F12: the result's path; the hash travels, the password does not."""
    done = _filter(stage, "a.png", "año/b.png", "-f", "gray, blur:radius=4", "--via", via)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.split()) == ["done/a.png", "done/año/b.png"]
    assert set(stage.auth.calls) == {(USER, HASH)}
    assert [step.filter for step in stage.central.jobs[0].steps] == ["gray", "blur"]


def test_refusals_are_told_with_their_reason(stage: Stage) -> None:
    """F47: one of two fails; for people and for scripts."""

    def answer(job: IceFlix.Job) -> object:
        if job.image == "a.png":
            raise IceFlix.Denied(FILTER_FAILED, "blur raised")
        return IceFlix.JobResult("b__gray.png", 0.5)

    stage.central.answer = answer
    done = _filter(stage, "a.png", "año/b.png", "-f", "gray", "--json", "--via", "ice")
    assert done.returncode == 1
    said = {each["image"]: each for each in json.loads(done.stdout)}
    assert said["a.png"]["reason"] == FILTER_FAILED
    assert said["año/b.png"]["result"] == "b__gray.png"
    done = _filter(stage, "a.png", "-f", "gray", password="wrong")
    assert done.returncode == 1
    assert f"a.png: {NOT_AUTHORIZED}: wrong user or password" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nope.png", "-f", "gray"], "'nope.png' does not exist in"),
        (["../a.png", "-f", "gray"], "does not exist in"),
        (["a.png"], "name the filters with -f"),
        (["a.png", "-f", ""], "no filter was named"),
        ([], "name at least one image"),
        (["a.png", "-f", "gray", "--Farm.Images=/nowhere"], "is it mounted"),
        (["a.png", "-f", "gray", "--Gateway.Naming=127.0.0.1:1"], "naming service"),
    ],
)
def test_mistakes_are_sentences(stage: Stage, arguments: list[str], sentence: str) -> None:
    """F07, F09: nobody is asked."""
    done = _filter(stage, *arguments)
    assert done.returncode in (1, 2)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not stage.auth.calls


def test_a_local_image_is_copied_into_the_share(stage: Stage, tmp_path: Path) -> None:
    """F07; never over another one."""
    (tmp_path / "c.png").write_bytes(b"three")
    done = _filter(stage, str(tmp_path / "c.png"), "-f", "gray", "--upload", "--via", "ice")
    assert (done.returncode, done.stdout) == (0, "done/c.png\n")
    assert (stage.home / "images" / "c.png").read_bytes() == b"three"
    (tmp_path / "c.png").write_bytes(b"other")
    done = _filter(stage, str(tmp_path / "c.png"), "-f", "gray", "--upload", "--via", "ice")
    assert done.returncode == 1
    assert "rename the file" in done.stderr


class Terminal:
    """A person at a terminal."""

    def __init__(self, stage: Stage, *arguments: str) -> None:
        self.said = self._unread = ""
        self._end, theirs = pty.openpty()
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with  # see code
            ["setsid", "--ctty", "--wait", *_command(*arguments)],
            env=os.environ | {"ICEFLIX_HOME": str(stage.home), "TERM": "dumb"},
            cwd=ROOT,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)

    def expect(self, text: str) -> None:
        """Read until this is said."""
        deadline = time.monotonic() + 20
        while text not in self._unread:
            ready, _, _ = select.select([self._end], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{text!r} is not in {self._unread!r}"
            part = os.read(self._end, 4096).decode()
            self._unread += part
            self.said += part
        self._unread = self._unread.partition(text)[2]

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._end, f"{line}\n".encode())

    def code(self) -> int:
        """The exit code."""
        try:
            return self._process.wait(20)
        finally:
            self._process.kill()
            os.close(self._end)


def test_the_dialogue(stage: Stage) -> None:
    """F08, F09, F10: asked again until it exists; the password is not shown."""
    person = Terminal(stage)
    for wrong in ("nope.png", "../a.png", "/etc/passwd"):
        person.expect("Image, relative to the shared folder: ")
        person.type(wrong)
        person.expect("does not exist")
    person.expect("Image, relative to the shared folder: ")
    person.type("año/b.png")
    person.expect("E-mail: ")
    person.type(USER)
    person.expect("Password: ")
    person.type("secret")
    person.expect("Filters, separated by commas: ")
    person.type(" gray ,  blur:radius=4 ,gray")
    person.expect("done/año/b.png")
    assert person.code() == 0
    assert "secret" not in person.said
    assert stage.auth.calls == [(USER, HASH)]
    assert [step.filter for step in stage.central.jobs[0].steps] == ["gray", "blur", "gray"]


def test_the_dialogue_without_the_share(stage: Stage) -> None:
    """F07."""
    person = Terminal(stage, "--Farm.Images=/nowhere")
    person.expect("is it mounted")
    assert person.code() == 1
