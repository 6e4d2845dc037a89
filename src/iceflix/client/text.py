"""Text from strangers made fit for a terminal, and text from people taken apart. Pure."""

import csv
import re
import unicodedata
from collections.abc import Iterable

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_FIRST_STRONG_ISOLATE = "\u2068"
_POP_ISOLATE = "\u2069"
# Embeddings, overrides and isolates: they could turn the rest of the screen around.
_DIRECTIONAL = set("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_RIGHT_TO_LEFT = {"R", "AL", "AN"}
# Marks that pile up on one character climb over the lines above.
_MARKS_TOGETHER = 4
_WIDE = {"W", "F"}


def safe(text: str, limit: int = 500) -> str:
    """Make a name from the network harmless on one line of a terminal.

    Control characters become a replacement character, line breaks and tabs a blank; directional
    controls go, and right-to-left text is isolated so that it cannot reorder what surrounds it.
    At most ``limit`` characters are kept.
    """
    kept: list[str] = []
    marks = 0
    for character in text[: limit + 1]:
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if character in _DIRECTIONAL or marks > _MARKS_TOGETHER:
            continue
        if character in "\t\r\n\v\f" or category in {"Zl", "Zp"}:
            kept.append(" ")
        elif category in {"Cc", "Cs", "Co", "Cn"}:
            kept.append(_REPLACEMENT)
        else:
            kept.append(character)
    line = "".join(kept)
    if len(text) > limit:
        line = line[: limit - 1] + "…"
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in line):
        line = f"{_FIRST_STRONG_ISOLATE}{line}{_POP_ISOLATE}"
    return line


def cells(text: str) -> int:
    """Count the cells of a terminal that a text takes."""
    width = 0
    for character in text:
        if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
            continue
        width += 2 if unicodedata.east_asian_width(character) in _WIDE else 1
    return width


def shorten(text: str, width: int) -> str:
    """Cut a text that was made safe to so many cells; an ellipsis shows that something is gone."""
    if cells(text) <= width:
        return text
    isolated = text.startswith(_FIRST_STRONG_ISOLATE)
    kept = ""
    for character in text.strip(_FIRST_STRONG_ISOLATE + _POP_ISOLATE):
        if cells(kept + character) > width - 1:
            break
        kept += character
    kept += "…"
    return f"{_FIRST_STRONG_ISOLATE}{kept}{_POP_ISOLATE}" if isolated else kept


def parse_tags(line: str) -> list[str]:
    """Take a line of tags apart: commas separate, double quotes keep a comma inside a tag (V68).

    ``drama, "rain, wind", noir`` has three tags; a quote inside quotes is doubled. Blanks around a
    tag go, empty ones and repetitions too.
    """
    row = next(csv.reader([line.replace("\n", " ").replace("\r", " ")], skipinitialspace=True), [])
    return list(dict.fromkeys(tag.strip() for tag in row if tag.strip()))


def format_tags(tags: Iterable[str]) -> str:
    """Write tags as a line that ``parse_tags`` reads back."""
    return ", ".join(
        '"' + tag.replace('"', '""') + '"' if "," in tag or '"' in tag else tag for tag in tags
    )


def where(proxy: str) -> str:
    """Name the place that a proxy leads to, ``host:port``; all of it when it does not say so."""
    host = re.search(r"-h\s+\"?([^\s\":]+|[0-9a-fA-F:]+)\"?(?=\s|$)", proxy)
    port = re.search(r"-p\s+(\d+)", proxy)
    if port is None:
        return proxy
    name = host[1] if host is not None else "localhost"
    return f"[{name}]:{port[1]}" if ":" in name else f"{name}:{port[1]}"


def clock_time(seconds: float) -> str:
    """Write a position or a duration as ``1:02:03`` or ``2:03``."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, seconds_left = divmod(rest, 60)
    if hours:
        return f"{hours}:{minutes:02}:{seconds_left:02}"
    return f"{minutes}:{seconds_left:02}"


_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)")


def parse_clock(text: str) -> float | None:
    """Read a position as ``1:02:03``, ``2:03`` or seconds; None when it is none of these."""
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    if (found[2] is not None and seconds >= 60) or (found[1] is not None and minutes >= 60):
        return None
    return hours * 3600 + minutes * 60 + seconds
