"""What a scan shows."""

import io

import pytest
import structlog
from rich.console import Console

from iceflix.streaming import progress
from iceflix.streaming.scan import Progress


def _show(display: Progress) -> None:
    display.begin(2, 3_000_000)
    for _ in range(3):
        display.advance(1_000_000)
    display.done()
    display.done()
    display.end()


def test_a_bar_on_a_terminal() -> None:
    """Bytes and files; nothing at all when there is nothing to read."""
    screen = io.StringIO()
    display = progress.Bar(Console(file=screen, force_terminal=True, width=100))
    display.begin(0, 0)
    display.advance(5)
    display.done()
    display.end()
    assert screen.getvalue() == ""
    _show(display)
    assert "Reading media" in screen.getvalue()


def test_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only when it takes its time."""
    lines = progress.progress_for_terminal()
    assert isinstance(lines, progress.Lines)
    with structlog.testing.capture_logs() as logs:
        _show(lines)
        assert not logs
        monkeypatch.setattr(progress, "_LINE_SECONDS", 0.0)
        _show(lines)
    assert [log["percent"] for log in logs] == [33, 67, 100]


def test_silence() -> None:
    """For those who do not want to know."""
    _show(progress.Silent())
