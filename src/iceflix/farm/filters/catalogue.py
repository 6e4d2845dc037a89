"""The shared folder of filters and its signed list (system A; the administrator's in both).

The folder holds ``<name>.py`` and ``catalogue.json``, which names the SHA-256 and the signature of
every filter that may run. A file that the list does not name, or that differs from what it names,
does not run. Lists are read anew when they change: nothing needs a restart (F30).
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from iceflix.farm.filters import library
from iceflix.farm.filters.parse import NAME
from iceflix.farm.filters.signing import Signer, verify
from iceflix.farm.filters.spec import MAX_CODE, FilterSpec, read_spec
from iceflix.runtime.errors import InvalidRequest, ServiceError
from iceflix.runtime.files import atomic_write, exclusive_lock

LIST = "catalogue.json"
_LIST_LIMIT = 4 * 1024 * 1024
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


class UnknownFilter(ServiceError):
    """No filter of this name may run: FILTRO_DESCONOCIDO."""


@dataclass(frozen=True)
class Listed:
    """A line of the list: the code's SHA-256 as hexadecimal text and its signature."""

    sha256: str
    signature: bytes


@dataclass(frozen=True)
class Filter:
    """A filter whose signature is good."""

    name: str
    code: bytes
    sha256: str
    signature: bytes
    spec: FilterSpec


class Catalogue:
    """What a node sees of the folder. Thread-safe: what it remembers is replaced whole."""

    def __init__(self, folder: Path, public_key: bytes) -> None:
        self._folder = folder
        self._public_key = public_key
        self._list: tuple[tuple[int, ...], dict[str, Listed]] = ((), {})
        self._filters: dict[str, Filter] = {}

    def listed(self) -> dict[str, Listed]:
        """The list, name to SHA-256 and signature; empty when there is none that can be read."""
        stamp = _stamp(self._folder / LIST)
        if stamp != self._list[0]:
            self._list = (stamp, read_list(self._folder))
        return self._list[1]

    def get(self, name: str) -> Filter:
        """A filter, ready to run. Raises UnknownFilter with a sentence."""
        line = self.listed().get(name)
        if line is None:
            known = ", ".join(sorted(self.listed())) or "none"
            raise UnknownFilter(f"there is no filter {name[:40]!r}; there are: {known}")
        known_filter = self._filters.get(line.sha256)
        if known_filter is not None and known_filter.name == name:
            return known_filter
        found = self._read(name, line)
        self._filters = {**self._filters, line.sha256: found}
        return found

    def _read(self, name: str, line: Listed) -> Filter:
        try:
            code = read_code(self._folder, name)
        except OSError as error:
            raise UnknownFilter(f"the filter {name} cannot be read: {error.strerror}") from error
        if hashlib.sha256(code).hexdigest() != line.sha256:
            raise UnknownFilter(f"the filter {name} was changed and is not signed anew yet")
        if not verify(self._public_key, name, code, line.signature):
            raise UnknownFilter(f"the filter {name} is not signed by this farm's administrator")
        try:
            spec = read_spec(name, code)
        except InvalidRequest as error:
            raise UnknownFilter(str(error)) from error
        return Filter(name, code, line.sha256, line.signature, spec)


class Publisher:
    """What the filter administrator does to the folder. Several processes may."""

    def __init__(self, folder: Path, signer: Signer) -> None:
        self._folder = folder
        self._signer = signer

    def seed(self) -> list[str]:
        """Put the shipped filters there that are neither there nor listed; returns their names."""
        self._folder.mkdir(parents=True, exist_ok=True)
        there = read_list(self._folder)
        missing = [
            name
            for name in library.names()
            if name not in there and not (self._folder / f"{name}.py").exists()
        ]
        for name in missing:
            self.add(name, library.code(name))
        return missing

    def add(self, name: str, code: bytes) -> Filter:
        """Check statically, write, sign and list a filter. Raises InvalidRequest; OSError."""
        spec = read_spec(name, code)
        self._folder.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(self._folder / LIST):
            atomic_write(self._folder / f"{name}.py", code, mode=0o644)
            line = self._list(name, code)
        return Filter(name, code, line.sha256, line.signature, spec)

    def remove(self, name: str) -> bool:
        """Take a filter from the list and the folder; whether it was there. Raises OSError."""
        if not NAME.fullmatch(name):
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(self._folder / LIST):
            there = read_list(self._folder)
            known = there.pop(name, None) is not None
            self._write(there)
            file = self._folder / f"{name}.py"
            known = file.exists() or known
            file.unlink(missing_ok=True)
        return known

    def stamp(self) -> object:
        """Equal as long as nobody has touched list or filters. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        files = (self._folder / LIST, *sorted(self._folder.glob("*.py")))
        return tuple((file.name, _stamp(file)) for file in files)

    def adopt(self) -> tuple[list[str], dict[str, str]]:
        """Sign what was dropped into the folder or changed there, and forget what has gone.

        For FilterAdmin.TrustFolder=1 (F30). Returns the names that are new or changed, and the
        files that cannot be filters with the reason. Raises OSError.
        """
        adopted, refused = [], {}
        self._folder.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(self._folder / LIST):
            there = read_list(self._folder)
            gone = [name for name in there if not (self._folder / f"{name}.py").is_file()]
            for name in gone:
                del there[name]
            if gone:
                self._write(there)
            for name, code in _files(self._folder):
                if name in there and there[name].sha256 == hashlib.sha256(code).hexdigest():
                    continue
                try:
                    read_spec(name, code)
                except InvalidRequest as error:
                    refused[name] = str(error)
                    continue
                self._list(name, code)
                adopted.append(name)
        return adopted, refused

    def _list(self, name: str, code: bytes) -> Listed:
        line = Listed(hashlib.sha256(code).hexdigest(), self._signer.sign(name, code))
        self._write(read_list(self._folder) | {name: line})
        return line

    def _write(self, lines: dict[str, Listed]) -> None:
        filters = {
            name: {
                "sha256": line.sha256,
                "signature": base64.b64encode(line.signature).decode("ascii"),
            }
            for name, line in sorted(lines.items())
        }
        text = json.dumps({"version": 1, "filters": filters}, indent=1) + "\n"
        atomic_write(self._folder / LIST, text.encode("utf-8"), mode=0o644)


def read_list(folder: Path) -> dict[str, Listed]:
    """The lines of a folder's list that make sense, unverified; none if there is no list."""
    try:
        with (folder / LIST).open("rb") as stream:
            filters = json.loads(stream.read(_LIST_LIMIT))["filters"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    result = {}
    for name, line in filters.items() if isinstance(filters, dict) else ():
        try:
            sha256 = line["sha256"]
            signature = base64.b64decode(line["signature"], validate=True)
        except (KeyError, TypeError, ValueError, binascii.Error):
            continue
        if NAME.fullmatch(name) and isinstance(sha256, str) and _DIGEST.fullmatch(sha256):
            result[name] = Listed(sha256, signature)
    return result


def read_code(folder: Path, name: str) -> bytes:
    """A filter's file; one byte more than allowed tells that it is too long. Raises OSError."""
    with (folder / f"{name}.py").open("rb") as stream:
        return stream.read(MAX_CODE + 1)


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.glob("*.py")):
        if NAME.fullmatch(path.stem) and path.is_file():
            yield path.stem, read_code(folder, path.stem)


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return (status.st_mtime_ns, status.st_size, status.st_ino)
