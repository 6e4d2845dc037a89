"""client_help.txt, executed to the letter in a pseudo-terminal against the real platform."""

import re
import shutil
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.conftest import Platform
from tests.unit.client.terminal import Terminal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
KEYS = {
    "Intro": "\r",
    "Enter": "\r",
    "Espacio": " ",
    "Space": " ",
    "Ctrl+L": "\x0c",
    "Ctrl+U": "\x15",
    "Ctrl+Q": "\x11",
}
_STEP = re.compile(r"^ ?(?: |\d)\d\. (.*?)(?=^ ?(?: |\d)\d\. |^\S|\Z)", re.MULTILINE | re.DOTALL)
_ACTION = re.compile(r"\[([^\]]+)\]|“([^”]+)”")
_PAUSE_SECONDS = 0.3  # a person's, between looking and pressing


def parts() -> dict[str, str]:
    """The file's languages."""
    text = (ROOT / "client_help.txt").read_text(encoding="utf-8")
    spanish, _, english = text.partition("ICEFLIX CLIENT - HELP STEP BY STEP")
    return {"es": spanish, "en": english}


def steps(text: str) -> list[tuple[list[str], str]]:
    """What is to be typed at each step, and what is seen then."""
    found = []
    for step in _STEP.findall(text):
        what, _, seen = step.partition("=>")
        typed = [KEYS.get(key, key) if key else words for key, words in _ACTION.findall(what)]
        found.append((typed, seen.strip()))
    return found


def test_every_step_is_understood() -> None:
    """Every step is understood."""
    for text in parts().values():
        assert len(steps(text)) == 13
        assert all(typed for typed, _ in steps(text))
        assert all(seen for _, seen in steps(text)[:-1])
    assert [len(typed) for typed, _ in steps(parts()["es"])] == [
        len(typed) for typed, _ in steps(parts()["en"])
    ]


@pytest.mark.parametrize(("code", "lang"), [("es", "es_ES.UTF-8"), ("en", "en_US.UTF-8")])
def test_the_help_is_true(platform: Platform, tmp_path: Path, code: str, lang: str) -> None:
    """The help is true."""
    assert shutil.which("ffplay"), "apt install ffmpeg"
    environment = {
        **platform.environment,
        "ICEFLIX_MAIN": platform.main,
        "ICEFLIX_PLAYER": "ffplay",
        "SDL_VIDEODRIVER": "dummy",
        "SDL_AUDIODRIVER": "dummy",
        "LANG": lang,
        "TERM": "xterm-256color",
    }
    for name in ("LC_ALL", "LC_MESSAGES", "LANGUAGE"):
        environment.pop(name, None)
    with Terminal(["bash", "-c", f"cd '{ROOT}' && exec bash --norc -i"], environment) as terminal:
        terminal.see("bash-")
        for typed, seen in steps(parts()[code]):
            terminal.turn_the_page()
            for keys in typed:
                terminal.type(keys, same_page=True)
                time.sleep(_PAUSE_SECONDS)
            if seen:
                terminal.see(seen)
        terminal.type("exit $?\r")
        assert terminal.ended() == 0
    assert not list(tmp_path.glob("**/client.log")), "nothing was worth a log entry"
