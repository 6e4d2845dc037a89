"""The Slice face of the user administrator."""

from iceflix.contract import Ice, IceFlix
from iceflix.farm.useradmin.users import Users
from iceflix.runtime.adminkey import AdminGuard
from iceflix.runtime.boundary import operation
from iceflix.runtime.errors import Denial
from iceflix.runtime.timekeeper import Timekeeper, TimeServant


class UserAdminServant(TimeServant, IceFlix.UserAdmin):
    """Translates between the wire and the administration; its clock is the reference."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, users: Users, guard: AdminGuard, keeper: Timekeeper) -> None:
        super().__init__(keeper)
        self._users = users
        self._guard = guard

    @operation(Denial)
    def addUser(
        self, key: str, user: str, password_hash: str, current: Ice.Current | None = None
    ) -> None:
        """Add a user."""
        self._guard.check(key, current)
        self._users.add(user, password_hash)

    @operation(Denial)
    def putUser(
        self, key: str, user: str, password_hash: str, current: Ice.Current | None = None
    ) -> None:
        """Add a user, or give one that is there a new password."""
        self._guard.check(key, current)
        self._users.add(user, password_hash, replace=True)

    @operation(Denial)
    def removeUser(self, key: str, user: str, current: Ice.Current | None = None) -> None:
        """Remove a user."""
        self._guard.check(key, current)
        self._users.remove(user)

    @operation(Denial)
    def users(self, key: str, current: Ice.Current | None = None) -> list[str]:
        """List the users."""
        self._guard.check(key, current)
        return self._users.users()
