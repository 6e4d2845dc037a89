"""The commands of ``iceflix`` that use the system: the same reach as the terminal application."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from iceflix.client import vocabulary as v
from iceflix.client.console import (
    Call,
    Ended,
    as_json,
    client_command,
    title_as_json,
    title_line,
    wait,
)
from iceflix.client.journal import quiet_libraries
from iceflix.client.keyboard import keyboard
from iceflix.client.keys import SEEKS
from iceflix.client.lookup import SearchResult
from iceflix.client.outputs import File, Output, Program, Window, chosen_player
from iceflix.client.player import Player, Statistics
from iceflix.client.receiver import Receiver
from iceflix.client.rtsp import RtspPlayer
from iceflix.client.sentences import ClientError, mark, say
from iceflix.client.session import Options, Session
from iceflix.client.text import clock_time, format_tags, parse_clock, parse_tags, safe
from iceflix.runtime.settings import Settings, default_home

_ID = re.compile(r"[0-9a-fA-F]{4,64}")
_SHOWN_ID = 12
_TICK_SECONDS = 0.2
_COMPLETIONS = 50
_TAGS_HELP = "Commas separate tags; a tag with a comma goes in double quotes."


def complete_title(
    _ctx: click.Context, _param: click.Parameter, start: str
) -> list[CompletionItem]:
    """Offer the names of titles; nothing when the server is slow or not there."""
    values = {"Client.TimeoutSeconds": "1", "Client.Attempts": "1"}
    main = _ctx.params.get("main")
    try:
        settings = Settings.of(default_home(), values)
        with Session(Options.of(settings)) as session:
            session.connect(main or settings.text("Client.Main")).result(2)
            found = session.search_name(start).result(2).titles
    except Exception:  # noqa: BLE001  # pylint: disable=broad-exception-caught
        return []  # completion is a courtesy: it never complains
    names = [safe(title.name) for title in found if title.name.startswith(start)]
    return [CompletionItem(name) for name in names[:_COMPLETIONS]]


_with_title = click.argument("title", shell_complete=complete_title)


@click.argument("name", required=False)
@click.option("--exact", is_flag=True, help="The whole name, not a part of it.")
@click.option("--tags", metavar="TAGS", help=f"Search by tags. {_TAGS_HELP}")
@click.option("--all", "every", is_flag=True, help="Titles with every one of the tags.")
def _search(call: Call, name: str | None, exact: bool, tags: str | None, every: bool) -> int:
    """Find titles whose name contains NAME, or by tags; without either, all titles.

    Upper and lower case are the same. Exit code 0 even when nothing is found.
    """
    if name is not None and tags is not None:
        raise click.UsageError(call.speech.text("Search by name or by tags, not both."))
    with call.session() as session:
        if tags is not None:
            result = wait(session.search_tags(parse_tags(tags), every=every))
        else:
            result = wait(session.search_name(name or "", exact=exact))
        _print_result(call, result)
    return 0


search = client_command("search", account=False)(_search)


@_with_title
def _show(call: Call, title: str) -> int:
    """Show a title: TITLE is its name, its id or the beginning of its id."""
    with call.session() as session:
        _print_title(call, _find(session, title))
    return 0


show = client_command("show", account=False)(_show)


@_with_title
@click.argument("name")
def _rename(call: Call, title: str, name: str) -> int:
    """Give TITLE (a name, an id or the beginning of an id) the name NAME."""
    with call.session(signed_in=True) as session:
        wait(session.select(_find(session, title)))
        _print_title(call, wait(session.rename(name)))
    return 0


rename = client_command("rename", account=True)(_rename)


@_with_title
@click.argument("tags", nargs=-1, required=True)
def _tag(call: Call, title: str, tags: tuple[str, ...]) -> int:
    """Add TAGS to TITLE (a name, an id or the beginning of an id).

    Each argument may hold several tags. Commas separate tags; a tag with a comma goes in double
    quotes: iceflix tag Metropolis silent '"rain, wind",city'
    """
    with call.session(signed_in=True) as session:
        wait(session.select(_find(session, title)))
        _print_title(call, wait(session.add_tags(parse_tags(",".join(tags)))))
    return 0


tag = client_command("tag", account=True)(_tag)


@_with_title
@click.argument("tags", nargs=-1, required=True)
def _untag(call: Call, title: str, tags: tuple[str, ...]) -> int:
    """Remove TAGS from TITLE (a name, an id or the beginning of an id).

    Tags are written as for the command tag; those that the title does not have are ignored.
    """
    with call.session(signed_in=True) as session:
        wait(session.select(_find(session, title)))
        _print_title(call, wait(session.remove_tags(parse_tags(",".join(tags)))))
    return 0


untag = client_command("untag", account=True)(_untag)


@dataclass(frozen=True)
class _Show:
    """What to play, and how: ``seconds`` bounds what is received, ``keys`` are listened to."""

    title: str
    player: Player
    wish: v.Wish = v.WHOLE
    seconds: float | None = None
    keys: bool = False


def _position(_ctx: click.Context, _param: click.Parameter, given: str) -> float:
    found = parse_clock(given)
    if found is None:
        raise click.BadParameter(f"{given!r} is no position; positions look like 1:30")
    return found


_start_option = click.option(
    "--start", callback=_position, default="0", metavar="POSITION", help="Begin there: 1:30, 90."
)


@_with_title
@click.option(
    "--player", metavar="PROGRAM", help="vlc, mpv, ffplay or a command line; else a window."
)
@click.option("--port", type=click.IntRange(1024, 65532), help="First of 4 UDP ports.")
@_start_option
@click.option("--rtsp", is_flag=True, help="Print an RTSP URL, or let --player play it.")
def _play(call: Call, **given: Any) -> int:
    """Play TITLE (a name, an id or the beginning of an id) until its end or Ctrl-C.

    On a terminal, Space pauses and goes on, the arrow keys go 10 s back and forth, Home to the
    beginning, q stops. When the video server dies, another one that has the title goes on.

    With --rtsp nothing is received here: the URL, which is good until Ctrl-C, is printed for others
    to play, through TCP if need be, or played with --player.
    """
    if given["rtsp"]:
        return _play_rtsp(call, given)
    player = given["player"]
    command = player if player is not None else chosen_player(call.settings)
    output: Output = Program(command) if command else Window()
    output.check()
    receiver = Receiver(output, given["port"] or 0)
    what = _Show(given["title"], receiver, v.Wish(given["start"]), keys=True)
    with quiet_libraries(), call.session(signed_in=True) as session:
        statistics = _watch(call, session, what)
        wait(session.stop())
        _print_statistics(call, statistics)
    return 1 if call.complaint else 0


def _play_rtsp(call: Call, given: dict[str, Any]) -> int:
    if given["start"] or given["port"]:
        text = "With --rtsp, whoever plays chooses the ports and where to begin."
        raise click.UsageError(call.speech.text(text))

    def tell(url: str) -> None:
        click.echo(as_json({"url": url}) if call.as_json else url)

    player = RtspPlayer(given["player"] or "", tell)
    player.check()
    with call.session(signed_in=True) as session:
        _watch(call, session, _Show(given["title"], player, v.Wish(rtsp=True)))
        wait(session.stop())
    return 1 if call.complaint else 0


play = client_command("play", account=True)(_play)


@_with_title
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Stop after so long.")
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.option("--port", type=click.IntRange(1024, 65532), help="First of 4 UDP ports.")
@_start_option
def _record(call: Call, **given: Any) -> int:
    """Record TITLE (a name, an id or the beginning of an id) into FILE, an .mp4 or .mkv.

    Picture and sound are stored as they are sent, nothing is encoded again, so it takes as long as
    playing. Ctrl-C ends it; what has been recorded until then is kept.
    """
    output = File(given["file"], overwrite=given["force"])
    output.check()
    interrupted: Ended | None = None
    with call.session(signed_in=True) as session:
        receiver = Receiver(output, given["port"] or 0)
        what = _Show(given["title"], receiver, v.Wish(given["start"]), given["seconds"])
        try:
            statistics = _watch(call, session, what)
        except Ended as ended:
            interrupted, statistics = ended, receiver.statistics()
        wait(session.stop())
        _print_statistics(call, statistics)
    if statistics.packets:
        length = clock_time(statistics.received)
        call.tell("Saved {file} ({length}).", file=str(given["file"]), length=length)
    if interrupted is not None:
        raise interrupted
    return 1 if call.complaint else 0


record = client_command("record", account=True)(_record)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, options and titles.

    For bash: eval "$(iceflix completion bash)" in ~/.bashrc; for zsh likewise in ~/.zshrc.
    """
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(context.find_root().command, {}, "iceflix", "_ICEFLIX_COMPLETE").source())


COMMANDS = [search, show, rename, tag, untag, play, record, completion]


def _find(session: Session, wanted: str) -> v.Title:
    """Find the one title of this name, id or beginning of an id. Raises ClientError."""
    found = wait(session.search_name(wanted, exact=True)).titles
    if not found and _ID.fullmatch(wanted):
        found = wait(session.search_id(wanted)).titles
    if len(found) == 1:
        return found[0]
    if not found:
        text = "No title is called “{name}”. iceflix search shows them all."
        raise ClientError(say(text, name=safe(wanted, 100)))
    ids = ", ".join(safe(title.id)[:_SHOWN_ID] for title in found[:5])
    text = "{count} titles are called “{name}”; say which by the beginning of its id: {ids}"
    raise ClientError(say(text, count=len(found), name=safe(wanted, 100), ids=ids))


def _print_result(call: Call, result: SearchResult) -> None:
    if call.as_json:
        click.echo(as_json([title_as_json(title) for title in result.titles]))
    elif sys.stdout.isatty():
        _print_table(call, result.titles)
    else:
        for title in result.titles:
            click.echo(title_line(title))
    if result.disowned:
        call.tell("{count} titles have vanished meanwhile.", count=result.disowned)
    if result.omitted:
        call.tell("{count} further titles are not shown.", count=result.omitted)
    if not result.titles:
        call.tell("Nothing found.")


def _print_table(call: Call, titles: tuple[v.Title, ...]) -> None:
    if not titles:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column(call.speech.text("Id"), no_wrap=True, style="dim")
    table.add_column(call.speech.text("Name"))
    table.add_column(call.speech.text("Tags"))
    away = call.speech.text("(not available now)")
    for title in titles:
        name = safe(title.name) if title.reachable else away
        tags = format_tags(safe(one) for one in title.tags)
        table.add_row(safe(title.id)[:_SHOWN_ID], name, tags)
    Console(markup=False, highlight=False).print(table)


def _print_title(call: Call, title: v.Title) -> None:
    if call.as_json:
        click.echo(as_json(title_as_json(title)))
        return
    if not sys.stdout.isatty():
        click.echo(title_line(title))
        return
    for name, value in (
        (mark("Name"), safe(title.name)),
        (mark("Tags"), format_tags(safe(one) for one in title.tags)),
        (mark("Id"), safe(title.id)),
    ):
        click.echo(f"{call.speech.text(name)}: {value}")


def _watch(call: Call, session: Session, what: _Show) -> Statistics:
    """Play until the end, with a line about it on a terminal; returns the last figures."""
    title = _find(session, what.title)
    wait(session.select(title))
    wait(session.play(what.player, what.wish))
    console = Console(stderr=True, markup=False, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
    quiet = call.as_json or not console.is_terminal
    with (
        Progress(*columns, console=console, transient=True, disable=quiet) as progress,
        keyboard(wanted=what.keys) as read,
    ):
        task = progress.add_task(safe(title.name, 40), total=None, figures="")
        statistics = what.player.statistics()
        while session.view.playing is not None:
            statistics = session.statistics() or statistics
            total, done = statistics.duration, statistics.position
            if what.seconds is not None:
                total, done = what.seconds, statistics.received
            figures = _figures(call, statistics, total)
            progress.update(task, completed=done, total=total, figures=figures)
            if what.seconds is not None and statistics.received >= what.seconds:
                break
            if not _obey(call, session, read(_TICK_SECONDS)):
                break
    return statistics


def _obey(call: Call, session: Session, key: str) -> bool:
    """Do what a key means; returns whether to go on."""
    statistics = session.statistics()
    try:
        if key == "space" and statistics is not None:
            wait(session.pause(not statistics.paused))
        elif key in SEEKS:
            wait(session.seek(*SEEKS[key]))
    except ClientError as error:
        click.echo(call.speech.say(error), err=True)
    return key != "q"


def _figures(call: Call, statistics: Statistics, total: float | None) -> str:
    length = f" / {clock_time(total)}" if total is not None else ""
    lost = call.speech.say("lost {lost}", lost=call.speech.number(statistics.lost))
    rate = call.speech.rate(statistics.bits_per_second)
    return f"{clock_time(statistics.position)}{length}  {rate}  {lost}"


def _print_statistics(call: Call, statistics: Statistics) -> None:
    if call.as_json:
        figures = {
            "packets": statistics.packets,
            "lost": statistics.lost,
            "seconds": round(statistics.received, 3),
        }
        click.echo(as_json(figures))
