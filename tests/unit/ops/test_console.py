"""What a run shows, and that showing it never holds anything up."""

import io
import os
from pathlib import Path

from rich.console import Console as RichConsole

from iceflix.ops.console import LiveConsole, PlainConsole, Row, is_trouble, table
from iceflix.ops.restart import State

ROWS = [
    Row("icestorm", State.READY, pid=7, endpoint="tcp -h 127.0.0.1 -p 10000"),
    Row("auth", State.WAITING, "restart in 3 s"),
    Row("main", State.SILENT, "", "1d2c", 12, "tcp -h 127.0.0.1 -p 10010"),
]


def _rich(width: int = 120) -> tuple[RichConsole, io.StringIO]:
    out = io.StringIO()
    return RichConsole(file=out, width=width, force_terminal=True, color_system=None), out


def test_plain_lines(tmp_path: Path) -> None:
    """Ours on one descriptor, the services' on the other, with their name."""
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        console = PlainConsole(out.fileno(), err.fileno())
        console.say("Main: x \N{SNOWMAN} \udce9")
        console.tell("auth: ready")
        console.ending()
        console.heard("auth", "a line")
        console.show(ROWS)
        console.close()
    assert (tmp_path / "out").read_text() == ("Main: x \N{SNOWMAN} ?\nauth: ready\nstopping\n")
    assert (tmp_path / "err").read_text() == "auth | a line\n"


def test_a_reader_that_sleeps_or_left_holds_nothing_up() -> None:
    """Far more than a pipe holds."""
    for leaves in (True, False):
        reader, writer = os.pipe()
        if leaves:
            os.close(reader)
        console = PlainConsole(writer, writer)
        for _ in range(20_000):
            console.say("x" * 100)
        console.close()
        if not leaves:
            os.close(reader)
        os.close(writer)


def test_the_table_says_everything() -> None:
    """State or note, process, id, endpoint; the last errors below, whatever they contain."""
    rich, out = _rich()
    rich.print(table(ROWS, ["auth | [bold]no markup[/bold]"]))
    text = out.getvalue()
    for word in ("ready", "restart in 3 s", "not answering", "1d2c", "12", "-p 10010"):
        assert word in text
    assert "auth | [bold]no markup[/bold]" in text


def test_the_table_fits_a_narrow_terminal() -> None:
    """Nothing is wrapped into a mess at 80 columns."""
    rich, out = _rich(80)
    wide = [Row("streaming", State.READY, "", "a" * 36, 1234567, "tcp -h 127.0.0.1 -p 40001")]
    wide += [Row("catalog", State.WAITING, "restart in 3 s")]
    rich.print(table(wide, ["streaming | " + "x" * 200]))
    lines = out.getvalue().splitlines()
    assert len(lines) == 7
    assert all(len(line) <= 80 for line in lines)
    assert "streaming" in lines[3] and "1234567" in lines[3] and "-p 40001" in lines[3]


def test_live() -> None:
    """Our lines above, trouble below, the run of things and of the end not at all."""
    rich, out = _rich()
    console = LiveConsole(rich)
    console.say("Main: x")
    console.tell("auth: ready")
    console.show(ROWS)
    console.heard("auth", "2026-01-01T00:00:00Z [info     ] fine")
    console.heard("auth", "2026-01-01T12:13:14.5Z [warning  ] not fine a=b")
    console.ending()
    console.heard("auth", "2026-01-01T00:00:00Z [warning  ] at the end")
    console.close()
    text = out.getvalue()
    assert "Main: x" in text and "restart in 3 s" in text and "stopping" in text
    assert "auth | 12:13:14 warning: not fine a=b" in text
    assert not any(words in text for words in ("auth: ready", "[info", "at the end"))


def test_what_trouble_is() -> None:
    """Warnings, errors, and whatever did not come from our logs."""
    assert not is_trouble("2026-01-01T00:00:00.000000Z [info     ] ready")
    assert not is_trouble("2026-01-01T00:00:00.000000Z [debug    ] x")
    assert is_trouble("2026-01-01T00:00:00.000000Z [error    ] x [info]")
    assert is_trouble("Segmentation fault")
    assert is_trouble("!! 11/22/26 11:06:01.392 icebox: error: x")
    assert not is_trouble("-! 11/22/26 11:06:01.392 icebox-IceStorm: warning: Subscriber")
    assert not is_trouble("   connection refused: Connection refused")
