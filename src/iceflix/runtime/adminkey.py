"""The administration key: whoever can read its file may administer users and filters.

The file is made on first start, mode 0600. Administrators' operations need its text and, unless
``Farm.AdminRemote`` says otherwise, a connection from this machine.
"""

import hmac
import ipaddress
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from iceflix.contract import Ice
from iceflix.contract.reasons import NOT_AUTHORIZED
from iceflix.runtime.boundary import caller_address
from iceflix.runtime.errors import Denial, SetupError
from iceflix.runtime.files import atomic_write, exclusive_lock
from iceflix.runtime.settings import Settings

KEY_BYTES = 32
_FILE_LIMIT = 4096
_WRONG = "this needs the administration key; Farm.AdminKey names its file"


def read_key(path: Path) -> str:
    """Return the key's text, for whoever presents it. Raises SetupError."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise SetupError(f"{path} is not a file; set Farm.AdminKey to the key file's path")
        if mode & 0o077:
            raise SetupError(
                f"{path} can be read by others than its owner, who could administer the farm; "
                f"run: chmod 600 {path}"
            )
        with path.open("rb") as stream:
            key = stream.read(_FILE_LIMIT).decode("ascii", "replace").strip()
    except FileNotFoundError as error:
        raise SetupError(
            f"there is no administration key {path}; it is made when the farm's services start for "
            "the first time, or set Farm.AdminKey to a copy of theirs"
        ) from error
    except OSError as error:
        raise SetupError(
            f"cannot read the administration key {path}: {error.strerror}; only the user whom the "
            "farm's services run as may administer them"
        ) from error
    if len(key) < KEY_BYTES:
        raise SetupError(
            f"{path} holds no usable key; delete it and start the farm's services again"
        )
    return key


def obtain_key(path: Path) -> str:
    """Return the key, making its file first if there is none. Raises SetupError.

    Of several services that start at once, one makes the file, whole, and all read it.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with exclusive_lock(path):
                if not path.exists():
                    atomic_write(path, f"{secrets.token_hex(KEY_BYTES)}\n".encode(), 0o600)
    except OSError as error:
        raise SetupError(
            f"cannot make the administration key {path}: {error.strerror}; set Farm.AdminKey to a "
            "file in a folder that this service may write to"
        ) from error
    return read_key(path)


@dataclass(frozen=True)
class AdminGuard:
    """Lets administrators in."""

    key: str
    remote: bool = False

    @classmethod
    def of(cls, settings: Settings) -> "AdminGuard":
        """The guard that the properties describe. Raises SetupError."""
        return cls(obtain_key(settings.path("Farm.AdminKey")), settings.flag("Farm.AdminRemote"))

    def check(self, key: str, current: Ice.Current | None) -> None:
        """Raise Denial unless this caller presents the key, from this machine if it must."""
        if not hmac.compare_digest(self.key.encode(), key.strip().encode(errors="replace")):
            raise Denial(NOT_AUTHORIZED, _WRONG)
        if self.remote or current is None or current.con is None:
            return
        if not ipaddress.ip_address(caller_address(current).partition("%")[0]).is_loopback:
            raise Denial(
                NOT_AUTHORIZED,
                "this is administered from its own machine only; Farm.AdminRemote=1 changes that",
            )
