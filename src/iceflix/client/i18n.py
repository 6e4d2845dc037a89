"""The languages that the client speaks, and how they write numbers.

English is the language of the source. Catalogues lie under ``locale``; ``scripts/translations``
makes them.
"""

import gettext
import os
from collections.abc import Mapping
from pathlib import Path

from iceflix.client.sentences import ClientError, Sentence, say

LANGUAGES = ("en", "es")
LOCALES = Path(__file__).parent / "locale"
_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
_UNITS = ("bit/s", "kbit/s", "Mbit/s", "Gbit/s")


class Language:
    """One language: what it calls things and how it writes numbers."""

    def __init__(self, code: str) -> None:
        self.code = code
        self._catalogue = gettext.translation("iceflix", LOCALES, [code], fallback=True)

    def text(self, text: str) -> str:
        """Translate; what is unknown stays as it is."""
        return self._catalogue.gettext(text) if text else text

    def say(self, sentence: "Sentence | ClientError | str", /, **values: str | int | float) -> str:
        """Say a sentence, or a text with its places filled in."""
        if isinstance(sentence, ClientError):
            sentence = sentence.sentence
        if isinstance(sentence, str):
            sentence = Sentence(sentence, values)
        return sentence.render(self.text)

    def count(self, one: str, many: str, number: int) -> str:
        """Say how many; ``{n}`` is the place of the number."""
        text = self._catalogue.ngettext(one, many, number)
        return text.format(n=self.number(number))

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number with the separators of the language."""
        written = f"{value:,.{digits}f}"
        if self.code == "es":
            written = written.replace(",", "\0").replace(".", ",").replace("\0", ".")
        return written

    def rate(self, bits_per_second: float) -> str:
        """Write a bit rate with a fitting unit."""
        unit = 0
        while bits_per_second >= 1000 and unit < len(_UNITS) - 1:
            bits_per_second /= 1000
            unit += 1
        return f"{self.number(bits_per_second, 1 if unit else 0)} {_UNITS[unit]}"


def language(code: str | None = None, environment: Mapping[str, str] | None = None) -> Language:
    """Return the language of this code, else that of the locale, else English.

    Raises ClientError for a code that is not known.
    """
    if code:
        short = code[:2].lower()
        if short not in LANGUAGES:
            known = ", ".join(LANGUAGES)
            raise ClientError(
                say("Unknown language “{code}”. Known: {known}.", code=code, known=known)
            )
        return Language(short)
    environment = os.environ if environment is None else environment
    for variable in _VARIABLES:
        for wish in environment.get(variable, "").split(":"):
            if wish[:2].lower() in LANGUAGES and wish[2:3] in {"", "_", ".", "@"}:
                return Language(wish[:2].lower())
        if environment.get(variable):
            break  # the first one that is set decides
    return Language("en")
