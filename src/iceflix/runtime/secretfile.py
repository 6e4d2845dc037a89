"""Files that hold a key: made once, whole, and of no use to anybody else."""

import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from iceflix.runtime.errors import SetupError
from iceflix.runtime.files import atomic_write, exclusive_lock

KEY_BYTES = 32
SIZE_LIMIT = 4096


def random_key() -> bytes:
    """Return a new key of ``KEY_BYTES`` random bytes as a line of hexadecimal digits."""
    return f"{secrets.token_hex(KEY_BYTES)}\n".encode()


@dataclass(frozen=True)
class SecretFile:
    """A key file: the property that names it, and what others could do who read it."""

    path: Path
    property: str
    danger: str

    def read(self) -> bytes:
        """Return what it holds, at most ``SIZE_LIMIT`` + 1 bytes.

        Raises SetupError if it is no file, others may read it, or we may not; FileNotFoundError.
        """
        try:
            mode = self.path.stat().st_mode
            if not stat.S_ISREG(mode):
                raise SetupError(
                    f"{self.path} is not a file; set {self.property} to the key file's path"
                )
            if mode & 0o077:
                raise SetupError(
                    f"{self.path} can be read by others than its owner, {self.danger}; "
                    f"run: chmod 600 {self.path}"
                )
            with self.path.open("rb") as stream:
                return stream.read(SIZE_LIMIT + 1)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._unusable(error) from error

    def obtain(self, make: Callable[[], bytes]) -> bytes:
        """Return what it holds, making it (mode 0600) first if there is none. Raises SetupError.

        Of several services that start at once, one makes the file, whole, and all read it.
        """
        try:
            if not self.path.exists():
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with exclusive_lock(self.path):
                    if not self.path.exists():
                        atomic_write(self.path, make(), 0o600)
            return self.read()
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> SetupError:
        return SetupError(
            f"cannot use the key file {self.path}: {error.strerror}; set {self.property} to a file "
            "that this service may read, or create"
        )
