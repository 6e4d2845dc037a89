"""What images may be called, and what results are called. Pure."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from iceflix.runtime.errors import InvalidRequest

OWN = ".iceflix"  # the folder of intermediate results; also the beginning of temporary names
WORK = f"{OWN}/work"
MAX_NAME = 255  # bytes, what file systems and Samba take
MAX_PATH = 4000
_DIGITS = 10
_ODD = re.compile(r"[^\w.+\-]", re.UNICODE)
_TEMPORARY = re.compile(rf"{re.escape(OWN)}-[0-9a-f]{{16}}[.]tmp")
_DRIVE = re.compile(r"[A-Za-z]:")


class InvalidPath(InvalidRequest):
    """A path that does not name an image of the share; callers are told that it does not exist."""

    def __init__(self, path: str, why: str) -> None:
        shown = "".join(letter if letter.isprintable() else "?" for letter in path[:80])
        super().__init__(f"there is no image {shown!r}: {why}")


def clean(path: str, internal: bool = False) -> PurePosixPath:
    """Check a path that came from elsewhere; relative to the share (F09). Raises InvalidPath.

    internal: the path may lie in the share's own folder for intermediate results.
    """
    try:
        encoded = path.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidPath(path, "it is not text") from error
    if not path.strip():
        raise InvalidPath(path, "the name is empty")
    if "\0" in path:
        raise InvalidPath(path, "a name cannot have a zero byte")
    if "\\" in path or _DRIVE.match(path):
        raise InvalidPath(path, "write / between folders")
    if path.startswith("/"):
        raise InvalidPath(path, "paths are relative to the shared folder")
    parts = path.split("/")
    if ".." in parts:
        raise InvalidPath(path, "a path cannot leave the shared folder")
    if len(encoded) > MAX_PATH or any(len(part.encode()) > MAX_NAME for part in parts):
        raise InvalidPath(path, "it is too long")
    if path.endswith("/"):
        raise InvalidPath(path, "it is a folder")
    clear = PurePosixPath(*parts)
    if not clear.parts or (clear.parts[0].lower() == OWN and not internal):
        raise InvalidPath(path, "it is not an image")
    return clear


def result_path(image: str, steps: Iterable[tuple[str, Mapping[str, str]]]) -> str:
    """``photos/cat.jpg``, blur:radius=4, gray -> ``photos/cat__blur_radius=4-gray.jpg`` (F12).

    The same request has the same result, so its file is replaced; other parameters give another
    name. One too long for a file system is cut, and ends in ``~`` and a digest of the whole.
    """
    path = PurePosixPath(image)
    chain = "-".join(_label(name, parameters) for name, parameters in steps)
    suffix = path.suffix if len(path.suffix.encode()) <= MAX_NAME // 4 else ""
    stem = path.name.removesuffix(suffix) if suffix else path.name
    name = f"{stem}__{chain}"
    room = MAX_NAME - len(suffix.encode())
    if len(name.encode()) > room:
        digest = hashlib.sha256(f"{stem}__{chain}".encode()).hexdigest()[:_DIGITS]
        name = _cut(name, room - _DIGITS - 1) + f"~{digest}"
    return str(path.with_name(name + suffix))


def intermediate_path(task: str, suffix: str) -> str:
    """Where the intermediate result of a task (``<job>/<step>/<attempt>``) lies."""
    job, _, rest = task.partition("/")
    return f"{work_folder(job)}/{_safe(rest or 'result')}{suffix}"


def work_folder(job: str) -> str:
    """The folder of a job's intermediate results."""
    return f"{WORK}/{_safe(job)}"


def temporary_name(word: str) -> str:
    """A name in the result's folder that no image has; the word makes it unique."""
    return f"{OWN}-{word}.tmp"


def is_temporary(name: str) -> bool:
    """Whether it is a name that ``temporary_name`` gave."""
    return _TEMPORARY.fullmatch(name) is not None


def _label(name: str, parameters: Mapping[str, str]) -> str:
    """``blur_radius=4``. Letters that shells or Samba mind become ``_``, with a digest for it."""
    values = "".join(f"_{key}={value}" for key, value in parameters.items())
    safe = "".join(f"_{key}={_ODD.sub('_', value)}" for key, value in parameters.items())
    if safe != values:
        safe += "~" + hashlib.sha256(values.encode()).hexdigest()[:_DIGITS]
    return name + safe


def _safe(word: str) -> str:
    """A name of one component that is different for different words."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", word)
    if plain == word and 0 < len(word) <= MAX_NAME // 2:
        return word
    digest = hashlib.sha256(word.encode("utf-8", "replace")).hexdigest()[:_DIGITS]
    return f"{plain[: MAX_NAME // 2]}~{digest}"


def _cut(text: str, size: int) -> str:
    """The longest beginning of so many bytes."""
    return text.encode()[:size].decode("utf-8", "ignore")
