"""Where a node has its filters' code from. Nothing runs that the administrator did not sign (F41).

System A: the shared folder with the administrator's signed list (F30). System B: what the token
brought; there is no shared folder (F42).
"""

import hashlib
import stat
from pathlib import Path
from typing import Protocol

from iceflix.contract.reasons import FILTER_FAILED, NO_SERVERS, UNKNOWN_FILTER
from iceflix.farm.filters.catalogue import Catalogue, UnknownFilter
from iceflix.farm.filters.parse import NAME
from iceflix.farm.filters.signing import verify
from iceflix.farm.model import FilterCode
from iceflix.farm.publickey import PublicKey
from iceflix.runtime.errors import Denial
from iceflix.runtime.files import atomic_write
from iceflix.runtime.log import get_logger

_log = get_logger(__name__)


class CodeSource(Protocol):
    """Finds the code for a step of a task."""

    def store(self, code: FilterCode) -> None:
        """Keep code that the token brought, if its signature is good."""

    def find(self, name: str, sha256: str) -> FilterCode:
        """The code; ``sha256`` may be empty. Raises Denial: SIN_SERVIDORES if another node can."""

    def compare(self) -> None:
        """Look whether what is kept on disk is still what came; write it anew if it is not."""


class SharedFolder:
    """System A."""

    def __init__(self, folder: Path, key: PublicKey) -> None:
        self._folder = folder
        self._key = key
        self._catalogue: Catalogue | None = None

    def store(self, code: FilterCode) -> None:
        """Nothing comes by the token here."""

    def find(self, name: str, sha256: str) -> FilterCode:
        """Read it from the folder; the list says whether it may run."""
        if self._catalogue is None:
            self._catalogue = Catalogue(self._folder, self._key.get())
        try:
            found = self._catalogue.get(name)
        except UnknownFilter as error:
            raise Denial(UNKNOWN_FILTER, str(error)) from error
        if sha256 not in ("", found.sha256):
            raise Denial(NO_SERVERS, f"this node has another version of the filter {name}")
        return FilterCode(name, found.sha256, found.code, found.signature)

    def compare(self) -> None:
        """The folder is the administrator's."""


class Received:
    """System B: kept by name in the node's own folder, one file each.

    What runs is what came by the token; the files are for whoever wants to see it. They are
    compared at every use, and whenever somebody asks for it.
    """

    def __init__(self, folder: Path, key: PublicKey) -> None:
        self._folder = folder
        self._key = key
        self._waiting: FilterCode | None = None
        self._known: dict[str, FilterCode] = {}
        self._written: dict[str, FilterCode] = {}  # the newest by name
        self._unwritable = ""

    def store(self, code: FilterCode) -> None:
        """Verify and keep; what is no good is refused and logged."""
        self._waiting = code
        try:
            key = self._key.get()
        except Denial:
            return  # tried again when it is needed
        self._waiting = None
        genuine = hashlib.sha256(code.code).hexdigest() == code.sha256
        if not (NAME.fullmatch(code.name) and genuine):
            _log.warning("filter refused: damaged", filter=code.name[:40])
        elif not verify(key, code.name, code.code, code.signature):
            _log.warning("filter refused: not signed by the administrator", filter=code.name)
        else:
            self._known[code.sha256] = self._written[code.name] = code
            if self._kept(code):
                _log.info("filter received", filter=code.name, sha256=code.sha256)

    def find(self, name: str, sha256: str) -> FilterCode:
        """What was received under this digest."""
        if self._waiting is not None:
            self.store(self._waiting)
        found = self._known.get(sha256)
        if found is None:
            raise Denial(NO_SERVERS, f"this node has not received the filter {name}")
        if found.name != name:
            raise Denial(FILTER_FAILED, f"the code of {found.name} came as {name}")
        self.compare()
        return found

    def compare(self) -> None:
        """Write anew what somebody has changed or removed."""
        for code in self._written.values():
            if not self._same(code) and self._kept(code):
                _log.warning("filter's file was changed; written anew", filter=code.name)

    def _file(self, code: FilterCode) -> Path:
        return self._folder / f"{code.name}.py"

    def _same(self, code: FilterCode) -> bool:
        file = self._file(code)
        try:
            facts = file.lstat()  # no link: we would write to where it leads
            as_long = stat.S_ISREG(facts.st_mode) and facts.st_size == len(code.code)
            return as_long and file.read_bytes() == code.code
        except OSError:
            return False

    def _kept(self, code: FilterCode) -> bool:
        """Whether it is on disk now; that it cannot be is said once."""
        try:
            if not self._same(code):
                self._folder.mkdir(parents=True, exist_ok=True)
                if self._file(code).is_symlink():
                    self._file(code).unlink()
                atomic_write(self._file(code), code.code, 0o644)
        except OSError as error:
            if str(error) != self._unwritable:
                _log.warning("filter not written", file=str(self._file(code)), error=str(error))
            self._unwritable = str(error)
            return False
        self._unwritable = ""
        return True
