"""What is said to be running: central believes only who signs the filters (F28).

The list comes with a signature in the call's context, by the key that signs filters and under a
name that no filter can have. Anybody can call; without the key nobody is heeded.
"""

import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from iceflix.farm.filters.signing import Signer, verify
from iceflix.runtime.errors import Denial, SetupError
from iceflix.runtime.log import get_logger

SIGNATURE = "signature"  # in the context of Central.setRunning, in hexadecimal
_NAME = "/running"
_log = get_logger(__name__)


def sign(signer: Signer, names: Sequence[str]) -> dict[str, str]:
    """The context for a call that tells central these names."""
    return {SIGNATURE: signer.sign(_NAME, _text(names)).hex()}


class Word:
    """Checks lists on a thread of its own: the key may have to be asked for. Thread-safe."""

    def __init__(self, key: Callable[[], bytes], accept: Callable[[Sequence[str]], object]) -> None:
        """key: may raise Denial while it is not known."""
        self._key = key
        self._accept = accept
        self._lock = threading.Lock()
        self._waiting: tuple[tuple[str, ...], str] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="word")

    def said(self, names: Sequence[str], signature: str) -> None:
        """Somebody says that these run. The newest is checked, later again if need be."""
        with self._lock:
            self._waiting = (tuple(names), signature)
        self.check()

    def check(self) -> None:
        """Check what waits; the key may be known by now."""
        with contextlib.suppress(RuntimeError):  # stopped
            self._thread.submit(self._check)

    def stop(self) -> None:
        """No more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _check(self) -> None:
        with self._lock:
            said = self._waiting
        if said is None:
            return
        names, signature = said
        try:
            key = self._key()
        except (Denial, SetupError, OSError) as error:
            _log.warning("the list of running filters cannot be checked", reason=str(error))
            return
        with self._lock:
            if self._waiting is said:
                self._waiting = None
        if verify(key, _NAME, _text(names), _bytes(signature)):
            self._accept(names)
        else:
            _log.warning("a list of running filters is not the filter administrator's")


def _text(names: Sequence[str]) -> bytes:
    return "\n".join(names).encode("utf-8", "surrogatepass")


def _bytes(signature: str) -> bytes:
    try:
        return bytes.fromhex(signature)
    except ValueError:
        return b""
