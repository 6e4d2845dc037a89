"""The format of a credentials file: ``{"user": {"password_hash": "<hex>"}}`` in UTF-8.

Decoding and encoding only; an entry may have further keys, which survive. A file whose name ends
in .csv is one of ``auth.csvfile``.
"""

import json
import re
from pathlib import Path
from typing import Any

from iceflix.auth import csvfile
from iceflix.runtime.errors import SetupError

HASH_KEY = "password_hash"
NAME_CHARACTERS = 255
_EXAMPLE = '{"ana": {"password_hash": "<64 hexadecimal digits>"}}'
_CSV_EXAMPLE = "ana@example.org,<64 hexadecimal digits>"

Entry = dict[str, Any]
Entries = dict[str, Entry]


def decode(data: bytes, path: Path) -> Entries:
    """Return the entries by user. Raises SetupError that says where the file is wrong."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _malformed(path, f"line {line} is not UTF-8") from error
    if _is_csv(path):
        try:
            return csvfile.decode(text)
        except csvfile.MalformedCsv as error:
            raise _malformed(path, str(error)) from error
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise _malformed(path, where) from error
    except (RecursionError, ValueError) as error:
        raise _malformed(path, "it nests too deeply or holds too long a number") from error
    if not isinstance(document, dict):
        raise _malformed(path, "line 1: it does not begin with {")
    for user, entry in document.items():
        if not isinstance(entry, dict):
            where = f"{_line_of(user, text)}the entry of {user[:60]!r} is not an object in {{}}"
            raise _malformed(path, where)
    return document


def encode(entries: Entries, path: Path = Path("users.json")) -> bytes:
    """Return the file's content, for people too: one line a key, letters as they are."""
    if _is_csv(path):
        return csvfile.encode(entries).encode("utf-8", "replace")
    try:
        return (json.dumps(entries, ensure_ascii=False, indent=2) + "\n").encode()
    except UnicodeEncodeError:  # half a surrogate pair, which only an escape can express
        return (json.dumps(entries, indent=2) + "\n").encode()


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def name_problem(user: str) -> str:
    """Return what is wrong with a user's name, as the end of a sentence; empty if nothing is."""
    if not user.strip():
        return "the name is empty"
    if len(user) > NAME_CHARACTERS:
        return f"the name is longer than {NAME_CHARACTERS} characters"
    if any(character < " " or character == "\x7f" for character in user):
        return "the name has control characters"
    if any("\ud800" <= character <= "\udfff" for character in user):
        return "the name is not Unicode text"
    return ""


def _line_of(user: str, text: str) -> str:
    """Say where the user's key stands, unless it is written with escapes."""
    key = re.search(re.escape(json.dumps(user, ensure_ascii=False)) + r"\s*:", text)
    return f"line {text.count(chr(10), 0, key.start()) + 1}: " if key else ""


def _malformed(path: Path, where: str) -> SetupError:
    example = _CSV_EXAMPLE if _is_csv(path) else _EXAMPLE
    return SetupError(
        f"the credentials file {path} cannot be used: {where}; it must look like {example}, and "
        "add_user writes it correctly"
    )
