"""The other format of a credentials file: CSV, a line ``user,hash`` for each user (F04, F18).

RFC 4180: cells with commas, quotes or line ends are quoted. A first line ``user,password_hash`` (or
any whose second cell is no hash but a heading) is a heading. Further cells of a line survive.

A spreadsheet runs a cell that begins with = + - or @. Such a cell is written with an apostrophe
before it, which makes it text to the spreadsheet, and read back without it: nothing is lost. Pure.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any

from iceflix.auth import passwords

HASH_KEY = "password_hash"
HEADING = ["user", HASH_KEY]
_FURTHER = "further_cells"
_HEADINGS = {"password_hash", "password hash", "hash", "password", "clave", "contraseña", "sha256"}
_RUN = "=+-@＝＋－＠\t\r\n"


class MalformedCsv(ValueError):
    """The file is no CSV of users; says where."""


def decode(text: str) -> dict[str, dict[str, Any]]:
    """Return the entries by user. Raises MalformedCsv."""
    entries: dict[str, dict[str, Any]] = {}
    for line, cells in _rows(text):
        if len(cells) < 2:
            raise MalformedCsv(f"line {line} has no hash after the user")
        user, stored, *further = (_plain(cell) for cell in cells)
        if user in entries:
            raise MalformedCsv(f"line {line} names {user[:60]!r} a second time")
        entries[user] = {HASH_KEY: stored} | ({_FURTHER: further} if further else {})
    return entries


def encode(entries: dict[str, dict[str, Any]]) -> str:
    """Return the file's text. Keys that have no place in a CSV are left out."""
    stream = io.StringIO()
    minimal = csv.writer(stream, lineterminator="\n")
    quoted = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    minimal.writerow(HEADING)
    for user, entry in entries.items():
        further = entry.get(_FURTHER)
        cells = [user, str(entry.get(HASH_KEY, ""))]
        cells += [str(cell) for cell in further] if isinstance(further, list) else []
        writer = quoted if any("\r" in cell for cell in cells) else minimal  # csv forgets those
        writer.writerow([_harmless(cell) for cell in cells])
    return stream.getvalue()


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that stand for a user, with their numbers."""
    heading = text.partition("\n")[0]
    delimiter = ";" if ";" in heading and "," not in heading else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for number, cells in enumerate(reader):
            blank = not any(cells) or (len(cells) == 1 and not cells[0].strip())
            if blank or (number == 0 and _is_heading(cells)):
                continue
            yield reader.line_num, cells
    except csv.Error as error:
        raise MalformedCsv(f"line {reader.line_num}: {error}") from error


def _is_heading(cells: list[str]) -> bool:
    return (
        len(cells) > 1
        and passwords.parse(cells[1]) is None
        and cells[1].strip().lower() in _HEADINGS
    )


def _harmless(cell: str) -> str:
    marked = cell.startswith("'") and _runs(cell.lstrip("'"))
    return f"'{cell}" if marked or _runs(cell) else cell


def _plain(cell: str) -> str:
    marked = cell.startswith("'") and _runs(cell.lstrip("'"))
    return cell[1:] if marked else cell


def _runs(cell: str) -> bool:
    return cell.lstrip(" ").startswith(tuple(_RUN))
