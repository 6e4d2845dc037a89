"""What the commands of the client share: options, credentials, a session, words and exit codes.

Exit codes: 0 done; 1 it did not work; 2 wrong usage; 4 wrong user, password or authorisation; 5 the
server, or a service behind it, does not answer or is not available; 129, 130, 143: ended by
SIGHUP, Ctrl-C, SIGTERM.
"""

import contextlib
import functools
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from iceflix.client import vocabulary as v
from iceflix.client.engine import Said
from iceflix.client.i18n import LANGUAGES, Language, language
from iceflix.client.sentences import ClientError, Denied, NotNow, Unreachable, WrongObject, say
from iceflix.client.session import Future, Options, Session, digest
from iceflix.client.text import format_tags, safe
from iceflix.runtime.settings import Settings, default_home

T = TypeVar("T")
_EXIT_CODES: tuple[tuple[type[ClientError], int], ...] = (
    (Denied, 4),
    (NotNow, 5),
    (Unreachable, 5),
    (WrongObject, 5),
    (ClientError, 1),
)
# JSON lets these through, terminals obey them: C1 controls and changes of direction.
_HIDDEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class Ended(BaseException):
    """A signal asks us to leave; carries its number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass
class Call:
    """One use of a command: what was asked for, and the language to answer in."""

    settings: Settings
    main: str
    user: str | None
    password_file: str | None
    as_json: bool
    speech: Language
    complaint: bool = False  # the last thing heard was bad news

    def tell(self, text: str, /, **values: str | int | float) -> None:
        """Say something to a person, beside the output."""
        click.echo(self.speech.say(text, **values), err=True)

    @contextlib.contextmanager
    def session(self, *, signed_in: bool = False) -> Iterator[Session]:
        """Connect, sign in if need be, and leave nothing behind."""
        password_hash = self._password_hash() if signed_in else ""
        with ending_signals(), Session(Options.of(self.settings)) as session:
            session.subscribe(self._heard)
            wait(session.connect(self.main))
            if signed_in and self.user is not None:
                wait(session.sign_in(self.user, password_hash))
            yield session

    def _heard(self, said: Said) -> None:
        if isinstance(said, v.Notice):
            self.complaint = said.bad
            click.echo(self.speech.say(said.sentence), err=True)

    def _password_hash(self) -> str:
        """Ask for what is missing; the password itself is forgotten at once (V59)."""
        asking = sys.stdin.isatty()
        if not self.user and asking:
            self.user = click.prompt(self.speech.text("User"), err=True)
        if not self.user:
            raise click.UsageError(self.speech.text("Say who you are: --user or ICEFLIX_USER."))
        given = _password(self.password_file)
        if given is None and asking:
            question = self.speech.say("Password of {user}", user=self.user)
            given = click.prompt(
                question, hide_input=True, err=True, default="", show_default=False
            )
        if given is None:
            text = (
                "A password is needed: --password-file, ICEFLIX_PASSWORD, or a terminal to ask at."
            )
            raise click.UsageError(self.speech.text(text))
        return digest(given)


def _password(file: str | None) -> str | None:
    """Read it from a file, or take it out of the environment, which a player would inherit."""
    if file is None:
        return os.environ.pop("ICEFLIX_PASSWORD", None)
    try:
        text = sys.stdin.readline() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        text = "The password file {file} cannot be read: {reason}."
        raise ClientError(say(text, file=file, reason=str(reason))) from error
    return text.splitlines()[0] if text else ""


def wait(future: "Future[T]") -> T:
    """Wait for a request; a signal cancels it."""
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


@contextlib.contextmanager
def ending_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into an orderly end, as Ctrl-C is one."""

    def leave(number: int, _frame: object) -> None:
        for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(one, signal.SIG_IGN)  # the end has begun: one is enough
        raise Ended(number)

    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = [signal.signal(number, leave) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def client_command(name: str, *, account: bool) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a command of a function ``(call, ...)``; ``account``: with options for credentials."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def run(**parameters: Any) -> int:
            try:
                call = _call(parameters)
            except ClientError as error:
                raise click.UsageError(str(error)) from error
            try:
                code = function(call, **parameters)
            except ClientError as error:
                click.echo(f"iceflix: {call.speech.say(error)}", err=True)
                return next(code for kind, code in _EXIT_CODES if isinstance(error, kind))
            except Ended as ended:
                return 128 + ended.number
            return code if isinstance(code, int) else 0

        command: Any = run
        for option in reversed([*(_ACCOUNT if account else []), *_COMMON]):
            command = option(command)
        made = click.command(name)(command)
        assert isinstance(made, click.Command)
        return made

    return decorate


def _call(parameters: dict[str, Any]) -> Call:
    """Take the common options out of the parameters."""
    settings = click.get_current_context().obj
    if not isinstance(settings, Settings):
        settings = Settings.of(default_home())
    given = {
        "Client.Attempts": parameters.pop("attempts"),
        "Client.PauseSeconds": parameters.pop("pause"),
    }
    values = {key: str(value) for key, value in given.items() if value is not None}
    settings = Settings.of(settings.home, {**settings.values, **values})
    return Call(
        settings=settings,
        main=parameters.pop("main") or settings.text("Client.Main"),
        user=parameters.pop("user", None),
        password_file=parameters.pop("password_file", None),
        as_json=parameters.pop("as_json"),
        speech=language(parameters.pop("lang")),
    )


_COMMON = [
    click.option(
        "--main", metavar="PROXY", envvar="ICEFLIX_MAIN", help="Main's proxy; default: Client.Main."
    ),
    click.option("--attempts", type=click.IntRange(1), help="Attempts while nothing is available."),
    click.option("--pause", type=click.FloatRange(0, min_open=True), help="Seconds between them."),
    click.option("--json", "as_json", is_flag=True, help="For scripts."),
    click.option("--lang", type=click.Choice(LANGUAGES), help="Language of the messages."),
]
_ACCOUNT = [
    click.option("--user", "-u", metavar="NAME", envvar="ICEFLIX_USER", help="Who you are."),
    click.option(
        "--password-file",
        metavar="FILE",
        help="File whose first line is the password; - is standard input. Else the variable "
        "ICEFLIX_PASSWORD, else you are asked.",
    ),
]


def as_json(value: object) -> str:
    """Write JSON that people can read and no terminal is harmed by."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def title_as_json(title: v.Title) -> dict[str, object]:
    """One title for scripts."""
    return {
        "id": title.id,
        "name": title.name,
        "tags": list(title.tags),
        "available": title.reachable,
    }


def title_line(title: v.Title) -> str:
    """One title on a line, its columns separated by tabs, for pipes."""
    return f"{safe(title.id)}\t{safe(title.name)}\t{format_tags(safe(tag) for tag in title.tags)}"
