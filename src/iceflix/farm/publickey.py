"""The key that tells what comes from the filter administrator."""

import threading
from pathlib import Path

from iceflix.contract import Ice
from iceflix.contract.reasons import NO_SERVERS
from iceflix.farm.discovery import FILTERADMIN
from iceflix.farm.filters.signing import PUBLIC_BYTES
from iceflix.runtime.directory import Directory
from iceflix.runtime.errors import Denial, NotAvailable, SetupError
from iceflix.runtime.files import atomic_write


class PublicKey:
    """The administrator's public key: from a file, or learned at the first contact and kept there.

    Whoever administers several machines copies the file beforehand.
    """

    # pylint: disable=too-few-public-methods  # a key can only be had

    def __init__(self, file: Path, directory: Directory) -> None:
        self._file = file
        self._directory = directory
        self._lock = threading.Lock()
        self._key = b""

    def get(self) -> bytes:
        """The key. Raises Denial while it is not known; SetupError for an unusable file."""
        with self._lock:
            if not self._key:
                self._key = self._read() or self._learn()
            return self._key

    def _read(self) -> bytes:
        try:
            key = bytes.fromhex(self._file.read_text(encoding="ascii"))
        except FileNotFoundError:
            return b""
        except (OSError, ValueError) as error:
            raise SetupError(f"{self._file} holds no public key; copy it again") from error
        if len(key) != PUBLIC_BYTES:
            raise SetupError(f"{self._file} holds no public key; copy it again")
        return key

    def _learn(self) -> bytes:
        try:
            key = bytes(self._directory.ask(FILTERADMIN, lambda proxy: proxy.publicKeyAsync()))
        except (NotAvailable, Ice.Exception):
            key = b""
        if len(key) != PUBLIC_BYTES:
            raise Denial(NO_SERVERS, "the filter administrator has not been met yet")
        atomic_write(self._file, key.hex().encode() + b"\n", 0o644)
        return key
