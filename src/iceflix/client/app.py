"""The full-screen terminal application: ``run_client``, ``iceflix client``.

It shows the session's view and turns keys into requests; it decides nothing itself. Requests never
block it: they are awaited by workers while the screen goes on.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

from textual import events, work
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import DataTable, Input, Label, Select

from iceflix.client import vocabulary as v
from iceflix.client.engine import Said
from iceflix.client.journal import open_journal, quiet_libraries
from iceflix.client.keys import KEYS, SEEKS, always, key_name, useful
from iceflix.client.lookup import Progress, SearchResult
from iceflix.client.outputs import File, Output
from iceflix.client.player import Player
from iceflix.client.receiver import Receiver
from iceflix.client.screens import (
    Connect,
    ConnectDialogue,
    Field,
    HelpScreen,
    SignIn,
    SignInDialogue,
    TagsDialogue,
    TextDialogue,
)
from iceflix.client.sentences import ClientError, Sentence, mark, say
from iceflix.client.session import Future, Options, Session
from iceflix.client.start import Start, read_arguments
from iceflix.client.text import format_tags, parse_tags, safe
from iceflix.client.widgets import (
    ConnectionLine,
    KeyLine,
    PlayingLine,
    Results,
    SelectionLine,
)

T = TypeVar("T")
W = TypeVar("W", bound=Widget)
_log = logging.getLogger(__name__)
_TICK_SECONDS = 0.5
_MODES = (
    ("contains", mark("name contains")),
    ("exact", mark("whole name")),
    ("any", mark("any of the tags")),
    ("all", mark("all of the tags")),
)


class SessionSaid(Message):
    """The session has something to show or to say."""

    def __init__(self, said: Said) -> None:
        super().__init__()
        self.said = said


class ClientApp(App[int]):
    """See the module's description."""

    # pylint: disable=too-many-public-methods,too-many-instance-attributes  # a key is an action

    CSS_PATH = "app.tcss"
    TITLE = "IceFlix"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("escape", "leave_field", show=False),
    ]

    def __init__(
        self, session: Session, start: Start, make_player: Callable[[Output], Player] = Receiver
    ) -> None:
        super().__init__()
        self.session = session
        self.start = start
        self.speech = start.speech
        policy = Options.of(start.settings).policy
        proxy = start.main or os.environ.get("ICEFLIX_MAIN") or start.settings.text("Client.Main")
        self._connect = Connect(proxy, policy.attempts, policy.pause_seconds)
        self._user = ""
        self._make_player = make_player
        self._forget: Callable[[], None] = lambda: None
        for key, action, words in KEYS:
            self.bind(key, action, description=self.speech.text(words))

    # ------------------------------------------------------------ the screen

    def compose(self) -> ComposeResult:
        """Lay the screen out: what must always be seen is at top and bottom."""
        yield ConnectionLine("connection", self.speech)
        with Horizontal(id="search"):
            yield Label(self.speech.text("Search"), markup=False)
            yield Input(id="term", compact=True, placeholder=self.speech.text("empty: all titles"))
            modes = [(self.speech.text(words), key) for key, words in _MODES]
            yield Select(modes, id="mode", value="contains", allow_blank=False, compact=True)
        yield Results(self.speech)
        yield SelectionLine("selection", self.speech)
        yield PlayingLine("playing", self.speech)
        yield KeyLine()

    def on_mount(self) -> None:
        """Begin to listen; connect if a Main was given."""

        def heard(said: Said) -> None:
            self.post_message(SessionSaid(said))  # from any thread

        self._forget = self.session.subscribe(heard)
        self._show_view(self.session.view)
        self.set_interval(_TICK_SECONDS, self._show_playing)
        self.query_one("#results").focus()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError, RuntimeError):  # tests run in other threads
                loop.add_signal_handler(number, self.exit, 128 + number)
        if self.start.main:
            self._do_connect(self._connect)
        else:
            self.action_connect()

    def on_session_said(self, message: SessionSaid) -> None:
        """Show what the session says."""
        said = message.said
        if isinstance(said, v.View):
            self._show_view(said)
        elif isinstance(said, Progress):
            text = self.speech.say(
                "{done} of {total}",
                done=self.speech.number(said.done),
                total=self.speech.number(said.total),
            )
            for table in self._all(Results):
                table.border_subtitle = text
        else:
            self.tell(said.sentence, bad=said.bad)

    def tell(self, sentence: Sentence | ClientError, *, bad: bool = False) -> None:
        """Show a notice for a while."""
        text = safe(self.speech.say(sentence))
        if bad:
            self.notify(text, severity="error", markup=False, timeout=8)
        else:
            self.notify(text, markup=False, timeout=5)

    def _show_view(self, view: v.View) -> None:
        for connection in self._all(ConnectionLine):
            connection.show(view)
        for selection in self._all(SelectionLine):
            selection.show(view)
        for table in self._all(Results):
            table.show(view)
        for keys in self._all(KeyLine):
            keys.show(useful(view, self.speech), always(self.speech))
        self._show_playing()

    def _all(self, kind: type[W]) -> Iterable[W]:
        """Find the widgets of a kind below any dialogue; none while starting or ending."""
        return self.screen_stack[0].query(kind) if self.screen_stack else ()

    def _show_playing(self) -> None:
        for line in self._all(PlayingLine):
            line.show(self.session.view, self.session.statistics())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what makes sense now; the rest is neither shown nor done."""
        del parameters
        view = self.session.view
        ours = {name for _, name, _ in KEYS} - {"quit"}
        if len(self.screen_stack) > 1 and action in ours:
            return False  # a dialogue is open: its keys are its own
        playing = view.playing
        known = {
            "disconnect": view.link is not v.Link.OFFLINE,
            "sign_in": view.link is not v.Link.OFFLINE and view.login.user is None,
            "sign_out": view.login.user is not None,
            "pause": playing is not None and not playing.opening,
            **dict.fromkeys(
                ("rewind", "forward", "beginning"), playing is not None and playing.seekable
            ),
            "stop": playing is not None,
        }
        return known.get(action, True)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Put everything into the command palette."""
        del screen
        for key, action, words in KEYS:
            if self.check_action(action, ()):
                run = getattr(self, f"action_{action}")
                yield SystemCommand(self.speech.text(words), key_name(key, self.speech), run)
        yield SystemCommand(self.speech.text("Theme"), "", self.action_change_theme)

    # ------------------------------------------------------------ requests

    async def _ask(self, future: "Future[T]") -> T | None:
        """Wait for a request without blocking; a failure becomes a notice."""
        try:
            return await asyncio.wrap_future(future)
        except ClientError as error:
            self.tell(error, bad=True)
            return None

    @work(group="connect", exclusive=True)
    async def _do_connect(self, wanted: Connect) -> None:
        self._connect = wanted
        await self._ask(self.session.set_retries(wanted.attempts, wanted.pause_seconds))
        await self._ask(self.session.connect(wanted.main))

    @work(group="account", exclusive=True)
    async def _do_sign_in(self, user: str, password_hash: str) -> None:
        self._user = user
        await self._ask(self.session.sign_in(user, password_hash))

    @work(group="search", exclusive=True)
    async def _do_search(self, term: str, mode: str) -> None:
        if mode in {"any", "all"}:
            future = self.session.search_tags(parse_tags(term), every=mode == "all")
        else:
            future = self.session.search_name(term, exact=mode == "exact")
        result = await self._ask(future)
        if result is not None:
            self._tell_result(result)
        for table in self._all(Results):
            table.border_subtitle = ""
            if result is not None and result.titles and len(self.screen_stack) == 1:
                table.move_cursor(row=0)
                table.focus()

    def _tell_result(self, result: SearchResult) -> None:
        if result.titles:
            text = self.speech.count("{n} title", "{n} titles", len(result.titles))
            self.notify(text, markup=False, timeout=3)
        else:
            self.tell(say("Nothing found; the earlier result stays."))
        if result.disowned:
            self.tell(say("{count} titles have vanished meanwhile.", count=result.disowned))
        if result.omitted:
            self.tell(say("{count} further titles are not shown.", count=result.omitted))

    @work(group="edit")
    async def _do_edit(self, future: "Future[v.Title]", done: Sentence) -> None:
        if await self._ask(future) is not None:
            self.tell(done)

    @work(group="play", exclusive=True)
    async def _do_play(self, output: Output) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(None, output.check)
        except ClientError as error:
            self.tell(error, bad=True)
            return
        await self._ask(self.session.play(self._make_player(output)))

    @work(group="play")
    async def _do_stop(self) -> None:
        await self._ask(self.session.stop())

    @work(group="pause")
    async def _do_pause(self, on: bool) -> None:
        await self._ask(self.session.pause(on))
        self._show_playing()

    @work(group="seek")
    async def _do_seek(self, key: str) -> None:
        await self._ask(self.session.seek(*SEEKS[key]))
        self._show_playing()

    @work(group="account")
    async def _do_sign_out(self) -> None:
        await self._ask(self.session.sign_out())

    @work(group="connect")
    async def _do_disconnect(self) -> None:
        await self._ask(self.session.disconnect())

    @work(group="select")
    async def _do_select(self, title: v.Title) -> None:
        await self._ask(self.session.select(title))

    # ------------------------------------------------------------ keys and fields

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Search."""
        mode = self.query_one("#mode", Select).value
        self._do_search(event.value, str(mode))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Select a title (V65)."""
        title = self.query_one(Results).title_at(event.cursor_row)
        if title is not None:
            self._do_select(title)

    def action_leave_field(self) -> None:
        """Go back to the list."""
        self.query_one("#results").focus()

    def action_search(self) -> None:
        """Go to the search field."""
        self.query_one("#term").focus()

    def action_connect(self) -> None:
        """Ask for a Main and connect."""

        def go_on(wanted: Connect | None) -> None:
            if wanted is not None:
                self._do_connect(wanted)

        self.push_screen(ConnectDialogue(self.speech, self._connect), go_on)

    def action_disconnect(self) -> None:
        """Leave the server."""
        self._do_disconnect()

    def action_sign_in(self) -> None:
        """Ask for user and password and sign in."""

        def go_on(given: SignIn | None) -> None:
            if given is not None:
                self._do_sign_in(given.user, given.password_hash)

        self.push_screen(SignInDialogue(self.speech, self._user), go_on)

    def action_sign_out(self) -> None:
        """End the session."""
        self._do_sign_out()

    def action_rename(self) -> None:
        """Ask for a name and change it."""
        title = self._editable()
        if title is None:
            return
        field = Field("name", mark("New name"), safe(title.name).strip("\u2068\u2069"))

        def go_on(name: str | None) -> None:
            if name is not None:
                self._do_edit(self.session.rename(name), say("The name was changed."))

        self.push_screen(TextDialogue(self.speech, mark("Rename"), field), go_on)

    def action_tag(self) -> None:
        """Ask for tags and add them."""

        def go_on(tags: list[str] | None) -> None:
            if tags is not None:
                self._do_edit(self.session.add_tags(tags), say("The tags were added."))

        self._ask_tags(mark("Add tags"), go_on)

    def action_untag(self) -> None:
        """Ask for tags and remove them."""

        def go_on(tags: list[str] | None) -> None:
            if tags is not None:
                self._do_edit(self.session.remove_tags(tags), say("The tags were removed."))

        self._ask_tags(mark("Remove tags"), go_on)

    def _ask_tags(self, heading: str, go_on: Callable[[list[str] | None], None]) -> None:
        title = self._editable()
        if title is None:
            return
        tags = format_tags(safe(tag) for tag in title.tags) or self.speech.text("none")
        hint = self.speech.say("Tags now: {tags}", tags=tags)
        self.push_screen(TagsDialogue(self.speech, heading, hint), go_on)

    def _editable(self) -> v.Title | None:
        """Return the selection, or say what is missing (V67)."""
        refusal = self.session.missing(session=True, selection=True)
        if refusal is not None:
            self.tell(refusal, bad=True)
            return None
        return self.session.view.selection

    def action_play(self) -> None:
        """Play the selected title."""
        if self._editable() is not None:
            self._do_play(self.start.output())

    def action_record(self) -> None:
        """Ask for a file and record the selected title into it."""
        title = self._editable()
        if title is None:
            return
        name = "".join(one if one.isalnum() or one in " -_." else "_" for one in title.name[:60])
        field = Field("file", mark("File (.mp4 or .mkv)"), f"{name.strip('. ') or 'video'}.mp4")

        def go_on(file: str | None) -> None:
            if file is not None:
                self._do_play(File(Path(file).expanduser()))

        self.push_screen(TextDialogue(self.speech, mark("Record"), field), go_on)

    def action_pause(self) -> None:
        """Hold the picture, or go on."""
        statistics = self.session.statistics()
        if statistics is not None:
            self._do_pause(not statistics.paused)

    def action_rewind(self) -> None:
        """Go back a little."""
        self._do_seek("left")

    def action_forward(self) -> None:
        """Go forth a little."""
        self._do_seek("right")

    def action_beginning(self) -> None:
        """Begin again."""
        self._do_seek("home")

    def action_stop(self) -> None:
        """Stop playing."""
        self._do_stop()

    def action_help(self) -> None:
        """Show what the keys do."""
        keys = [(key_name(key, self.speech), self.speech.text(words)) for key, _, words in KEYS]
        self.push_screen(HelpScreen(self.speech, [*keys, ("^P", self.speech.text("All commands"))]))

    async def action_quit(self) -> None:
        """Leave."""
        self.exit(0)

    def _handle_exception(self, error: Exception) -> None:
        """A mistake of ours ends the program in order: a sentence here, the details in the log."""
        if self.is_headless:  # tests want to know
            super()._handle_exception(error)
            return
        _log.error("unexpected", exc_info=error)
        reason = say("Something unexpected went wrong ({name}).", name=type(error).__name__)
        self.exit(1, message=self.speech.say(reason))

    def on_unmount(self, _event: events.Unmount) -> None:
        """Listen no more."""
        self._forget()


def main(arguments: Sequence[str]) -> int:
    """Run the application; returns the exit code. Raises SetupError for wrong arguments."""
    start = read_arguments(arguments)
    open_journal(start.settings)
    session = Session(Options.of(start.settings))
    try:
        with quiet_libraries():
            return ClientApp(session, start).run() or 0
    finally:
        # Whatever has happened to the terminal: no stream is left running.
        session.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
