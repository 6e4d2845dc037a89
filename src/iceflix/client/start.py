"""How the terminal application is to begin, from its command line."""

from collections.abc import Sequence
from dataclasses import dataclass

import click

from iceflix.client.i18n import Language, language
from iceflix.client.outputs import Output, Program, Window, chosen_player
from iceflix.client.sentences import ClientError
from iceflix.runtime.communicator import split_arguments
from iceflix.runtime.errors import SetupError
from iceflix.runtime.settings import Settings, default_home


@dataclass(frozen=True)
class Start:
    """How the application is to begin. ``output`` makes the player's output from ``player``."""

    settings: Settings
    speech: Language
    main: str = ""
    player: str = ""

    def output(self) -> Output:
        """A window, or the program of the user's choice."""
        command = self.player or chosen_player(self.settings)
        return Program(command) if command else Window()


def read_arguments(arguments: Sequence[str]) -> Start:
    """Read ``[PROXY] [--lang CODE] [--player PROGRAM]`` and properties. Raises SetupError."""
    given, rest = split_arguments(arguments)
    context = click.get_current_context(silent=True)
    settings = context.obj if context is not None else None
    if isinstance(settings, Settings):
        settings = Settings.of(settings.home, {**settings.values, **given})
    else:
        settings = Settings.of(default_home(), given)
    options, proxy = _options(rest)
    try:
        speech = language(options["--lang"] or None)
    except ClientError as error:
        raise SetupError(str(error)) from error
    return Start(settings, speech, proxy, options["--player"])


def _options(words: Sequence[str]) -> tuple[dict[str, str], str]:
    options = {"--lang": "", "--player": ""}
    proxy: list[str] = []
    left = iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        if name in options:
            options[name] = value if equals else next(left, "")
        elif word.startswith("--"):
            raise SetupError(f"unknown option {word}; there are --lang CODE and --player PROGRAM")
        else:
            proxy.append(word)  # a proxy has blanks, and may have lost its quotes
    return options, " ".join(proxy)
