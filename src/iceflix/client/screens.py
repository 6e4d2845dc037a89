"""The dialogues of the terminal application. Each returns what was asked for, or None."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from iceflix.client.i18n import Language
from iceflix.client.sentences import mark
from iceflix.client.session import digest
from iceflix.client.text import parse_tags

R = TypeVar("R")


@dataclass(frozen=True)
class Field:
    """A field of a dialogue: its label, what is in it, and whether it is secret."""

    key: str
    label: str
    value: str = ""
    secret: bool = False
    kind: str = "text"  # text, integer or number


class Entry(Input):
    """A field that loses no key to whoever types ahead.

    Keys are queued with the widget that had the focus when they were pressed, and those that mean
    an action take longer than letters. Here each is acted upon in its turn, and what was typed
    after Enter goes to the field that has the focus by then: no part of a password may land in the
    field before.
    """

    def __init__(self, field: Field, entered: Callable[["Entry"], None]) -> None:
        kind: Literal["integer", "text"] = "integer" if field.kind == "integer" else "text"
        super().__init__(field.value, id=field.key, password=field.secret, type=kind, compact=True)
        self._entered = entered

    async def _on_key(self, event: events.Key) -> None:
        focused = self.app.focused
        if focused is not self:
            event.stop()
            event.prevent_default()
            if focused is not None:
                focused.post_message(events.Key(event.key, event.character))
        elif event.key == "enter":
            event.stop()
            event.prevent_default()
            self._entered(self)
        elif event.key in self._bindings.key_to_bindings:
            event.stop()
            event.prevent_default()
            for binding in self._bindings.get_bindings_for_key(event.key):
                await self.run_action(binding.action)
        else:
            await super()._on_key(event)


class Dialogue(ModalScreen[R | None]):
    """A title, fields, perhaps a hint. Enter goes on and at last confirms; Escape gives up."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", show=False)]

    def __init__(self, speech: Language, title: str, fields: Iterable[Field]) -> None:
        super().__init__()
        self.speech = speech
        self._title = title
        self._fields = list(fields)
        self.hint = ""

    def compose(self) -> ComposeResult:
        """Lay the dialogue out."""
        with Vertical(id="dialogue"):
            yield Label(self.speech.text(self._title), id="dialogue-title", markup=False)
            for field in self._fields:
                yield Label(self.speech.text(field.label), markup=False)
                yield Entry(field, self.entered)
            if self.hint:
                yield Label(self.hint, id="hint", markup=False)
            with Horizontal(id="buttons"):
                yield Button(self.speech.text("OK"), id="ok", variant="primary", compact=True)
                yield Button(self.speech.text("Cancel"), id="cancel", compact=True)

    def entered(self, entry: Entry) -> None:
        """Go to the next field, or confirm after the last."""
        keys = [field.key for field in self._fields]
        following = keys[keys.index(str(entry.id)) + 1 :]
        if following:
            self.set_focus(self.query_one(f"#{following[0]}"))
        else:
            self._confirm()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Confirm or give up."""
        event.stop()
        if event.button.id == "ok":
            self._confirm()
        else:
            self.action_give_up()

    def action_give_up(self) -> None:
        """Close without a result."""
        self.dismiss(None)

    def value(self, key: str) -> str:
        """What is in a field."""
        return self.query_one(f"#{key}", Input).value

    def _confirm(self) -> None:
        result = self.result()
        if result is not None:
            self.dismiss(result)

    def result(self) -> R | None:
        """What the dialogue returns; None: it is not complete and stays open."""
        raise NotImplementedError


@dataclass(frozen=True)
class Connect:
    """Which Main, and how patiently (V57)."""

    main: str
    attempts: int
    pause_seconds: float


class ConnectDialogue(Dialogue[Connect]):
    """Asks for Main's proxy (V56)."""

    def __init__(self, speech: Language, present: Connect) -> None:
        super().__init__(
            speech,
            mark("Connect"),
            [
                Field("main", mark("Proxy of Main"), present.main),
                Field("attempts", mark("Attempts"), str(present.attempts), kind="integer"),
                Field("pause", mark("Seconds between attempts"), f"{present.pause_seconds:g}"),
            ],
        )
        self._present = present

    def entered(self, entry: Entry) -> None:
        """Confirm at once: the proxy is all that most people change."""
        del entry
        self._confirm()

    def result(self) -> Connect | None:
        """The answers; numbers that make no sense stay as they were."""
        try:
            attempts = max(1, int(self.value("attempts")))
            pause = max(0.0, float(self.value("pause").replace(",", ".")))
        except ValueError:
            attempts, pause = self._present.attempts, self._present.pause_seconds
        return Connect(self.value("main").strip(), attempts, pause)


@dataclass(frozen=True)
class SignIn:
    """A user and the digest of the password: the password stays in the dialogue (V59)."""

    user: str
    password_hash: str


class SignInDialogue(Dialogue[SignIn]):
    """Asks for user and password."""

    # pylint: disable=too-few-public-methods  # the others are inherited

    def __init__(self, speech: Language, user: str) -> None:
        fields = [Field("user", mark("User"), user)]
        super().__init__(
            speech, mark("Sign in"), [*fields, Field("password", mark("Password"), secret=True)]
        )

    def result(self) -> SignIn | None:
        """User and digest; the field is emptied."""
        user = self.value("user").strip()
        if not user:
            self.query_one("#user", Input).focus()
            return None
        result = SignIn(user, digest(self.value("password")))
        self.query_one("#password", Input).value = ""
        return result


class TextDialogue(Dialogue[str]):
    """Asks for one line."""

    # pylint: disable=too-few-public-methods  # the others are inherited

    def __init__(self, speech: Language, title: str, field: Field, hint: str = "") -> None:
        super().__init__(speech, title, [field])
        self.hint = hint

    def result(self) -> str | None:
        """The line; an empty one is no answer."""
        return self.value(self._fields[0].key).strip() or None


class TagsDialogue(Dialogue[list[str]]):
    """Asks for tags."""

    # pylint: disable=too-few-public-methods  # the others are inherited

    def __init__(self, speech: Language, title: str, hint: str) -> None:
        label = mark('Tags, separated by commas; a tag with a comma in "double quotes"')
        super().__init__(speech, title, [Field("tags", label)])
        self.hint = hint

    def result(self) -> list[str] | None:
        """The tags; none are no answer."""
        return parse_tags(self.value("tags")) or None


class HelpScreen(ModalScreen[None]):
    """What the keys do, and how to get to a playing title."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,q,enter", "close", show=False),
    ]

    def __init__(self, speech: Language, keys: list[tuple[str, str]]) -> None:
        super().__init__()
        self._speech = speech
        self._keys = keys

    def compose(self) -> ComposeResult:
        """Lay the page out."""
        width = max(len(key) for key, _ in self._keys)
        keys = "\n".join(f"  {key:<{width}}  {what}" for key, what in self._keys)
        text = "\n\n".join(
            [
                self._speech.text(
                    "To watch a title: connect, sign in, search, choose a row with the arrow keys "
                    "and Enter, then play. To change its name or tags, choose it likewise. "
                    "Searching needs no account."
                ),
                keys,
                self._speech.text(
                    "Commas separate tags; a tag that has a comma goes in double quotes. Behind a "
                    "router that keeps UDP out, everything works but playing. The file "
                    "client_help.txt has all this step by step."
                ),
            ]
        )
        with VerticalScroll(id="help"):
            yield Label(self._speech.text("Help"), id="dialogue-title", markup=False)
            yield Label(self._speech.text("Escape closes this page."), id="hint", markup=False)
            yield Static(text, markup=False)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss(None)
