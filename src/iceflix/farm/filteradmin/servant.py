"""The Slice face of the filter administrator."""

from iceflix.contract import Ice, IceFlix
from iceflix.farm.filteradmin.filters import Filters
from iceflix.runtime.adminkey import AdminGuard
from iceflix.runtime.boundary import operation
from iceflix.runtime.errors import Denial


class FilterAdminServant(IceFlix.FilterAdmin):
    """Translates between the wire and the administration."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, filters: Filters, guard: AdminGuard, public_key: bytes) -> None:
        self._filters = filters
        self._guard = guard
        self._public_key = public_key

    @operation()
    def running(self, _current: Ice.Current | None = None) -> list[IceFlix.FilterInfo]:
        """Tell which filters live rings run."""
        return self._filters.running()

    @operation()
    def catalogue(self, _current: Ice.Current | None = None) -> list[IceFlix.FilterInfo]:
        """Tell which filters there are."""
        return self._filters.catalogue()

    @operation(Denial)
    def code(self, name: str, _current: Ice.Current | None = None) -> IceFlix.FilterCode:
        """Give a filter with its signature."""
        return self._filters.code(name)

    @operation(Denial)
    def assigned(
        self, ring: str, have: str, _current: Ice.Current | None = None
    ) -> list[IceFlix.FilterCode]:
        """Tell a ring's master what to run (F40)."""
        return self._filters.assigned(ring, have)

    @operation(Denial)
    def add(self, key: str, name: str, code: bytes, current: Ice.Current | None = None) -> None:
        """Add a filter."""
        self._guard.check(key, current)
        self._filters.add(name, bytes(code))

    @operation(Denial)
    def remove(self, key: str, name: str, current: Ice.Current | None = None) -> None:
        """Remove a filter."""
        self._guard.check(key, current)
        self._filters.remove(name)

    @operation(Denial)
    def assign(self, key: str, ring: str, name: str, current: Ice.Current | None = None) -> None:
        """Assign a filter to a ring."""
        self._guard.check(key, current)
        self._filters.assign(ring, name)

    @operation()
    def rings(self, _current: Ice.Current | None = None) -> dict[str, str]:
        """Tell which ring runs which filter."""
        return self._filters.rings()

    @operation()
    def publicKey(self, _current: Ice.Current | None = None) -> bytes:
        """Give the key that filters are signed with."""
        return self._public_key
