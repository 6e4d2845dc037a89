"""The languages: complete, compiled, and chosen as people expect."""

import subprocess
import sys
from pathlib import Path

import pytest

from iceflix.client.i18n import Language, language
from iceflix.client.sentences import ClientError, say

ROOT = Path(__file__).parents[3]


def test_the_translations_are_complete_and_compiled() -> None:
    """Nothing is missing, nothing is left over, and what is compiled is what is written."""
    script = [sys.executable, str(ROOT / "scripts" / "translations"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_places_are_the_same_in_every_language() -> None:
    """Places are the same in every language."""
    text = "Attempt {attempt} of {attempts}: {reason} Trying again in {seconds:g} s."
    sentence = say(text, attempt=1, attempts=3, reason=say("The connection is back."), seconds=10.0)
    assert Language("en").say(sentence).startswith("Attempt 1 of 3: The connection is back.")
    assert Language("es").say(sentence).startswith("Intento 1 de 3: Ha vuelto la conexión.")


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"LANG": "es_ES.UTF-8"}, "es"),
        ({"LANG": "es"}, "es"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "est_EE"}, "en"),
        ({"LC_ALL": "C.UTF-8", "LANG": "es_ES"}, "en"),
        ({"LC_ALL": "es_MX", "LANG": "en_US"}, "es"),
        ({"LANGUAGE": "ca:es:en", "LANG": "ca_ES"}, "es"),
        ({}, "en"),
    ],
)
def test_the_locale_chooses(environment: dict[str, str], code: str) -> None:
    """The locale chooses."""
    assert language(None, environment).code == code


def test_the_option_wins() -> None:
    """The option wins."""
    assert language("es", {"LANG": "en_US"}).code == "es"
    with pytest.raises(ClientError, match="Known: en, es"):
        language("xx")


def test_numbers() -> None:
    """Numbers."""
    assert Language("en").number(12345.6, 1) == "12,345.6"
    assert Language("es").number(12345.6, 1) == "12.345,6"
    assert Language("es").rate(3_100_000) == "3,1 Mbit/s"
    assert Language("en").rate(12) == "12 bit/s"
    assert Language("es").count("{n} title", "{n} titles", 1) == "1 título"
    assert Language("es").count("{n} title", "{n} titles", 2000) == "2.000 títulos"
