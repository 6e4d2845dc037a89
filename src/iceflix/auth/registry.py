"""The registry: users added and removed at run time, by the user administrator only (F17-F19).

The Authenticator alone opens the credentials file (F04). A change is in force before it is written;
should writing fail, it is taken back.
"""

import threading
from collections.abc import Callable
from pathlib import Path

from iceflix.auth import admin, passwords
from iceflix.auth.authenticator import Authenticator
from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import INVALID_REQUEST, NO_SERVERS
from iceflix.runtime.adminkey import AdminGuard
from iceflix.runtime.boundary import operation
from iceflix.runtime.errors import Denial, InvalidRequest, NotAvailable, SetupError
from iceflix.runtime.log import get_logger
from iceflix.runtime.timekeeper import Follower, Timekeeper, TimeServant

FACET = "registry"
_log = get_logger(__name__)


class Registry:
    """Changes the users of one Authenticator. Thread-safe: one change at a time."""

    def __init__(self, file: Path, authenticator: Authenticator) -> None:
        self._file = file
        self._authenticator = authenticator
        self._lock = threading.Lock()

    def add(self, user: str, password_hash: str, replace: bool = False) -> None:
        """Add a user, a new one unless ``replace``. Raises Denial."""
        if not passwords.is_digest(password_hash):
            raise Denial(INVALID_REQUEST, "the hash is not 64 small hexadecimal digits")
        change = admin.put_user if replace else admin.register
        self._change(lambda: change(self._file, user, password_hash, self._authenticator.adopt))
        _log.info("user added", user=user)

    def remove(self, user: str) -> None:
        """Remove a user, whose tokens end at once. Raises Denial."""
        self._change(lambda: admin.deregister(self._file, user, self._authenticator.adopt))
        _log.info("user removed", user=user)

    def users(self) -> list[str]:
        """The users, in the order of the file. Raises Denial."""
        try:
            return [listed.name for listed in admin.list_users(self._file)]
        except SetupError as error:
            raise Denial(NO_SERVERS, str(error)) from error

    def _change(self, change: Callable[[], object]) -> None:
        with self._lock:
            try:
                change()
            except InvalidRequest as error:
                raise Denial(INVALID_REQUEST, str(error)) from error
            except SetupError as error:
                self._authenticator.reload()
                raise Denial(NO_SERVERS, str(error)) from error


class Introduction:
    """The clock to follow: that of the user administrator who introduced itself last (F21)."""

    def __init__(self) -> None:
        self._proxy: IceFlix.TimeReferencePrx | None = None
        self.follower: Follower | None = None

    def introduce(self, proxy: IceFlix.TimeReferencePrx) -> None:
        """Follow this clock from now on."""
        known = self._proxy == proxy
        self._proxy = proxy
        if not known and self.follower is not None:
            self.follower.wake()

    def reference(self) -> IceFlix.TimeReferencePrx:
        """The clock to follow. Raises NotAvailable."""
        if self._proxy is None:
            raise NotAvailable("no user administrator has introduced itself")
        return self._proxy


class RegistryServant(TimeServant, IceFlix.UserRegistry):
    """The facet "registry" of the Authenticator."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(
        self,
        registry: Registry,
        guard: AdminGuard,
        keeper: Timekeeper,
        introduction: Introduction,
    ) -> None:
        super().__init__(keeper)
        self._registry = registry
        self._guard = guard
        self._introduction = introduction

    @operation(Denial)
    def follow(
        self,
        key: str,
        reference: IceFlix.TimeReferencePrx | None,
        current: Ice.Current | None = None,
    ) -> None:
        """Take the user administrator's clock for the right one."""
        self._guard.check(key, current)
        if reference is not None:
            self._introduction.introduce(reference)

    @operation(Denial)
    def addUser(
        self, key: str, user: str, password_hash: str, current: Ice.Current | None = None
    ) -> None:
        """Add a user (F18)."""
        self._guard.check(key, current)
        self._registry.add(user, password_hash)

    @operation(Denial)
    def putUser(
        self, key: str, user: str, password_hash: str, current: Ice.Current | None = None
    ) -> None:
        """Add a user, or give one that is there a new password (F18, V71)."""
        self._guard.check(key, current)
        self._registry.add(user, password_hash, replace=True)

    @operation(Denial)
    def removeUser(self, key: str, user: str, current: Ice.Current | None = None) -> None:
        """Remove a user (F18)."""
        self._guard.check(key, current)
        self._registry.remove(user)

    @operation(Denial)
    def users(self, key: str, current: Ice.Current | None = None) -> list[str]:
        """List the users."""
        self._guard.check(key, current)
        return self._registry.users()
