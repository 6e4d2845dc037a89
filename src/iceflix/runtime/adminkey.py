"""The administration key: whoever can read its file may administer users and filters.

The file is made on first start, mode 0600. Administrators' operations need its text and, unless
``Farm.AdminRemote`` says otherwise, a connection from this machine.
"""

import hmac
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from iceflix.contract import Ice
from iceflix.contract.reasons import NOT_AUTHORIZED
from iceflix.runtime.boundary import caller_address
from iceflix.runtime.errors import Denial, SetupError
from iceflix.runtime.secretfile import KEY_BYTES, SecretFile, random_key
from iceflix.runtime.settings import Settings

_WRONG = "this needs the administration key; Farm.AdminKey names its file"


def _file(path: Path) -> SecretFile:
    return SecretFile(path, "Farm.AdminKey", "who could administer the farm")


def _text(path: Path, content: bytes) -> str:
    key = content.decode("ascii", "replace").strip()
    if len(key) < KEY_BYTES:
        raise SetupError(
            f"{path} holds no usable key; delete it and start the farm's services again"
        )
    return key


def read_key(path: Path) -> str:
    """Return the key's text, for whoever presents it. Raises SetupError."""
    try:
        return _text(path, _file(path).read())
    except FileNotFoundError as error:
        raise SetupError(
            f"there is no administration key {path}; it is made when the farm's services start for "
            "the first time, or set Farm.AdminKey to a copy of theirs"
        ) from error


def obtain_key(path: Path) -> str:
    """Return the key's text, making its file first if there is none. Raises SetupError."""
    return _text(path, _file(path).obtain(random_key))


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
