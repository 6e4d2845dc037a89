"""What the client has to say, apart from the language that it is said in.

The session knows no user interface and serves people of several languages at once, so it says a
``Sentence``: English text with named places, and what goes into them. A face translates the text
and then fills the places in; ``str()`` gives English.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from iceflix.runtime.errors import ServiceError


def mark(text: str) -> str:
    """Mark a text for the translators and return it unchanged."""
    return text


@dataclass(frozen=True)
class Sentence:
    """A text with ``{named}`` places and their values; values may be sentences themselves."""

    text: str
    values: Mapping[str, "str | int | float | Sentence"] = field(default_factory=dict)

    def render(self, translate: Callable[[str], str] = mark) -> str:
        """Say it in the language that ``translate`` speaks."""
        filled = {
            name: value.render(translate) if isinstance(value, Sentence) else value
            for name, value in self.values.items()
        }
        return translate(self.text).format_map(filled)

    def __str__(self) -> str:
        return self.render()


def say(text: str, /, **values: "str | int | float | Sentence") -> Sentence:
    """Compose a sentence; its text is collected for the translators."""
    return Sentence(text, values)


class ClientError(ServiceError):
    """Something that the client cannot do; carries the sentence for the person."""

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(str(sentence))
        self.sentence = sentence


class Refusal(ClientError):
    """Connection, session or selection is missing (V67)."""


class NotNow(ClientError):
    """A service answers that it is temporarily unavailable (V57): worth another attempt."""


class Denied(ClientError):
    """Wrong user or password, or a token that the service does not accept."""


class Unreachable(ClientError):
    """Nobody answers there: refused, silent or gone."""


class WrongObject(ClientError):
    """Somebody answers there who is not what the proxy was given for."""


class Gone(ClientError):
    """The title or the stream does not exist any more."""


class Refused(ClientError):
    """The video server does not do that with this title; says why."""
