"""The lines that are visible at all times: connection and user, selection, playback."""

from dataclasses import dataclass

from rich.text import Text
from textual import events
from textual.markup import escape
from textual.timer import Timer
from textual.widgets import DataTable, Static
from textual.widgets.data_table import ColumnKey

from iceflix.client import vocabulary as v
from iceflix.client.i18n import Language
from iceflix.client.player import Statistics
from iceflix.client.sentences import mark
from iceflix.client.text import cells, clock_time, format_tags, safe, shorten, where

_NARROWEST = 12
_BETWEEN_COLUMNS = 9  # the mark, the padding of three columns, the scroll bar
_ADDRESS_WIDTH = 40
_BAR_WIDTH = 12
_ROWS_AT_ONCE = 1000
_FILL_SECONDS = 0.02
_SEEKS = {"left": "rewind", "right": "forward", "home": "beginning"}
# A sign and a word each: neither colours nor signs alone carry the meaning (V62).
_LINKS = {
    v.Link.OFFLINE: ("○", mark("offline")),
    v.Link.CONNECTING: ("◌", mark("connecting…")),
    v.Link.ONLINE: ("●", mark("online")),
    v.Link.LOST: ("○", mark("offline, trying again")),
}


class Line(Static):
    """One line of plain text that is cut, not wrapped."""

    def __init__(self, widget_id: str, speech: Language) -> None:
        super().__init__("", id=widget_id, markup=False)
        self.speech = speech


class ConnectionLine(Line):
    """Connection and user (V62)."""

    def show(self, view: v.View) -> None:
        """Show this state."""
        sign, word = _LINKS[view.link]
        words = [f"{sign} {self.speech.text(word)}"]
        if view.link is v.Link.CONNECTING and view.attempt > 1:
            words.append(self.speech.say("attempt {number}", number=view.attempt))
        if view.link is not v.Link.OFFLINE:
            words.append(shorten(safe(where(view.main)), _ADDRESS_WIDTH))
        login = view.login
        if login.signing_in:
            words.append(self.speech.text("signing in…"))
        elif login.user is None:
            words.append(self.speech.text("not signed in"))
        else:
            user = shorten(safe(login.user), 20)
            text = mark("{user}, session not renewed") if login.overdue else mark("user: {user}")
            words.append(self.speech.say(text, user=user))
        self.set_class(view.link is v.Link.ONLINE, "online")
        self.update("  │  ".join(words))


class SelectionLine(Line):
    """The active selection (V66)."""

    def show(self, view: v.View) -> None:
        """Show this state."""
        title = view.selection
        if title is None:
            self.update(self.speech.text("No title selected"))
            return
        tags = format_tags(safe(tag, 50) for tag in title.tags)
        name = shorten(safe(title.label), 40)
        text = self.speech.say("Selected: {name}", name=name)
        self.update(f"{text}  [{tags}]" if tags else text)


class PlayingLine(Line):
    """What plays, how far it is, and how well it arrives (V69)."""

    def show(self, view: v.View, statistics: Statistics | None) -> None:
        """Show this state and these figures."""
        self.display = view.playing is not None
        if view.playing is None:
            return
        name = shorten(safe(view.playing.title.label), 30)
        if view.playing.opening or statistics is None:
            self.update(self.speech.say("◌ Opening {name}…", name=name))
            return
        if view.playing.moving:
            self.update(self.speech.say("◌ Looking for another server with {name}…", name=name))
            return
        text = mark("❚❚ Paused: {name}") if statistics.paused else mark("▶ Playing: {name}")
        words = [self.speech.say(text, name=name), self._position(statistics)]
        words.append(self.speech.rate(statistics.bits_per_second))
        lost = self.speech.number(statistics.lost)
        words.append(self.speech.say("lost {lost}", lost=lost))
        self.update("  ".join(words))

    @staticmethod
    def _position(statistics: Statistics) -> str:
        position = clock_time(statistics.position)
        if not statistics.duration:
            return position
        done = min(1.0, statistics.position / statistics.duration)
        filled = round(done * _BAR_WIDTH)
        gauge = "█" * filled + "░" * (_BAR_WIDTH - filled)
        return f"{position} {gauge} {clock_time(statistics.duration)}"


@dataclass(frozen=True)
class Hint:
    """A key, the action behind it, and a word for it."""

    key: str
    action: str
    word: str


class KeyLine(Static):
    """The keys that are of use now, as many as there is room for; a click does the same."""

    def __init__(self) -> None:
        super().__init__("", id="keys")
        self._head: list[Hint] = []
        self._tail: list[Hint] = []

    def show(self, head: list[Hint], tail: list[Hint]) -> None:
        """Show ``tail`` always, and before it what fits of ``head``."""
        self._head, self._tail = head, tail
        self._draw()

    def on_resize(self) -> None:
        """Use the room that there is now."""
        self._draw()

    def _draw(self) -> None:
        def width(hints: list[Hint]) -> int:
            return sum(cells(f"{hint.key} {hint.word}") + 2 for hint in hints)

        shown = list(self._head)
        room = (self.size.width or 80) - 2
        while shown and width(shown + self._tail) > room + 2:
            shown.pop()
        self.update(
            "  ".join(
                f"[@click=app.{hint.action}()][b]{escape(hint.key)}[/b]\u00a0{escape(hint.word)}[/]"
                for hint in shown + self._tail
            )
        )


class Results(DataTable[Text]):
    """The last result that found something (V65)."""

    def __init__(self, speech: Language) -> None:
        super().__init__(id="results", cursor_type="row", zebra_stripes=True)
        self._speech = speech
        self._shown: tuple[v.Title, ...] = ()
        self._selected: str | None = None
        self._filler: Timer | None = None
        self._columns: list[ColumnKey] = []
        self._seekable = False

    def on_mount(self) -> None:
        """Make the columns."""
        # Widths of our own: measuring thousands of cells takes longer than showing them.
        self.add_column(" ", key="mark", width=1)
        self._columns = [
            self.add_column(self._speech.text(words), key=key, width=_NARROWEST)
            for key, words in (("name", mark("Name")), ("tags", mark("Tags")))
        ]

    def on_resize(self) -> None:
        """Divide the width between names and tags."""
        room = self.size.width - _BETWEEN_COLUMNS
        name = max(_NARROWEST, room * 45 // 100)
        for key, width in zip(self._columns, (name, max(_NARROWEST, room - name)), strict=True):
            self.columns[key].width = width
        self._require_update_dimensions = True
        self.refresh(layout=True)

    async def _on_key(self, event: events.Key) -> None:
        """Go to the search field at once, so that it gets what is typed ahead after the slash."""
        focused = self.app.focused
        if focused is not None and focused is not self:
            event.stop()
            event.prevent_default()
            focused.post_message(events.Key(event.key, event.character))
        elif event.key == "slash":
            event.stop()
            event.prevent_default()
            self.screen.set_focus(self.screen.query_one("#term"))
        elif self._seekable and event.key in _SEEKS:  # else the list would scroll
            event.stop()
            event.prevent_default()
            await self.app.run_action(_SEEKS[event.key])
        else:
            await super()._on_key(event)

    def show(self, view: v.View) -> None:
        """Show these titles; only what has changed is touched, and the cursor stays."""
        self._seekable = view.playing is not None and view.playing.seekable
        before, was_selected = self._shown, self._selected
        self._shown = view.results
        self._selected = view.selection.id if view.selection is not None else None
        if [title.id for title in before] != [title.id for title in view.results]:
            self.clear()
            self._fill()
        elif view.results != before or self._selected != was_selected:
            # Rows that are not there yet come as they are then.
            for old, title in list(zip(before, view.results, strict=True))[: self.row_count]:
                if old != title or title.id in {self._selected, was_selected}:
                    for name, value in zip(
                        ("mark", "name", "tags"), self._cells(title), strict=True
                    ):
                        self.update_cell(title.id, name, value, update_width=name != "mark")

    def _fill(self) -> None:
        """Add some rows, and the rest bit by bit: thousands at once would hold up the keys."""
        if self._filler is not None:
            self._filler.stop()
        for title in self._shown[self.row_count : self.row_count + _ROWS_AT_ONCE]:
            self.add_row(*self._cells(title), key=title.id)
        if self.row_count < len(self._shown):
            self._filler = self.set_timer(_FILL_SECONDS, self._fill)

    def title_at(self, row: int) -> v.Title | None:
        """Return the title in a row."""
        return self._shown[row] if 0 <= row < len(self._shown) else None

    def _cells(self, title: v.Title) -> tuple[Text, Text, Text]:
        name = safe(title.name) if title.reachable else self._speech.text("(not available now)")
        tags = format_tags(safe(tag, 50) for tag in title.tags)
        sign = "▸" if title.id == self._selected else " "
        # Text, not str: a table would take brackets in a name for markup.
        return Text(sign), _cell(name or "—"), _cell(tags)


def _cell(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")
