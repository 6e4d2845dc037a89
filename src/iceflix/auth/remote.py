"""The console's way to the user administrator, which alone may change a running registry (F18)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from iceflix.contract import Ice, IceFlix
from iceflix.runtime.adminkey import read_key
from iceflix.runtime.communicator import initialize
from iceflix.runtime.errors import Denial, NotAvailable
from iceflix.runtime.process import proxies
from iceflix.runtime.settings import Settings

T = TypeVar("T")
_MILLIS = 10000


class Administrator:
    """The user administrator that runs here. Methods raise Denial, NotAvailable."""

    def __init__(self, proxy: IceFlix.UserAdminPrx, key: str) -> None:
        self._proxy = proxy
        self._key = key

    def add(self, user: str, password_hash: str) -> None:
        """Add a user."""
        _call(lambda: self._proxy.addUser(self._key, user, password_hash))

    def put(self, user: str, password_hash: str) -> None:
        """Add a user, or give one that is there a new password."""
        _call(lambda: self._proxy.putUser(self._key, user, password_hash))

    def remove(self, user: str) -> None:
        """Remove a user."""
        _call(lambda: self._proxy.removeUser(self._key, user))

    def users(self) -> list[str]:
        """List the users."""
        return _call(lambda: self._proxy.users(self._key))


@contextmanager
def administrator(settings: Settings) -> Iterator[Administrator]:
    """Reach the user administrator of this home. Raises NotAvailable, SetupError."""
    key = read_key(settings.path("Farm.AdminKey"))
    with initialize(settings) as communicator:
        for text in proxies(settings.home, "useradmin"):
            proxy = communicator.stringToProxy(text)
            if proxy is not None and _answers(proxy):
                bounded = proxy.ice_invocationTimeout(_MILLIS)
                yield Administrator(IceFlix.UserAdminPrx.uncheckedCast(bounded), key)
                return
        raise NotAvailable(
            f"no user administrator runs here ({settings.home}); start the farm, or use --via file"
        )


def _answers(proxy: Ice.ObjectPrx) -> bool:
    try:
        proxy.ice_invocationTimeout(1000).ice_ping()
    except Ice.LocalException:
        return False
    return True


def _call(call: Callable[[], T]) -> T:
    try:
        return call()
    except IceFlix.Denied as error:
        raise Denial(error.reason, error.detail) from error
    except Ice.LocalException as error:
        raise NotAvailable(
            f"the user administrator was lost ({type(error).__name__}); list the users to see "
            "whether it was done"
        ) from error
