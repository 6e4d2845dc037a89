"""System B: which ring runs which filter (F39, F40), kept in a file."""

import json
import threading
from pathlib import Path

from iceflix.runtime.errors import SetupError
from iceflix.runtime.files import atomic_write

_RINGS = 1000


class Assignments:
    """Ring -> filter. Thread-safe; every change is in the file before it is in force."""

    def __init__(self, file: Path) -> None:
        """Read the file; none is no assignment. Raises SetupError."""
        self._file = file
        self._lock = threading.Lock()
        self._rings = self._read()

    def all(self) -> dict[str, str]:
        """Every ring that has a filter."""
        return dict(self._rings)

    def assign(self, ring: str, name: str) -> None:
        """Give a ring a filter, "" for none. Raises OSError."""
        with self._lock:
            rings = {**self._rings, ring: name}
            self._write({ring: name for ring, name in rings.items() if name})

    def drop(self, name: str) -> None:
        """No ring runs this filter any more. Raises OSError."""
        with self._lock:
            self._write({ring: given for ring, given in self._rings.items() if given != name})

    def provide(self, ring: str, names: list[str]) -> str:
        """The ring's filter; one that has none gets the first that no other ring runs.

        "" when all of ``names`` are taken. Raises OSError.
        """
        with self._lock:
            given = self._rings.get(ring, "")
            free = [name for name in names if name not in self._rings.values()]
            if not given and free and len(self._rings) < _RINGS:
                given = free[0]
                self._write({**self._rings, ring: given})
            return given

    def _write(self, rings: dict[str, str]) -> None:
        if rings != self._rings:
            text = json.dumps(rings, ensure_ascii=False, indent=1, sort_keys=True)
            self._file.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(self._file, f"{text}\n".encode())
            self._rings = rings

    def _read(self) -> dict[str, str]:
        try:
            rings = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise SetupError(
                f"cannot read the assignments {self._file}; mend the file or delete it"
            ) from error
        if not isinstance(rings, dict) or not all(isinstance(v, str) for v in rings.values()):
            raise SetupError(f"{self._file} holds no assignments; mend the file or delete it")
        return rings
