"""What the filter administrator does: catalogue, assignments, what is running (F28-F30, F40)."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from iceflix.contract import IceFlix
from iceflix.contract.reasons import INVALID_REQUEST, NO_SERVERS, UNKNOWN_FILTER
from iceflix.farm.filteradmin.assignments import Assignments
from iceflix.farm.filters.catalogue import Catalogue, Filter, Publisher, UnknownFilter
from iceflix.runtime.errors import Denial, InvalidRequest
from iceflix.runtime.log import get_logger

T = TypeVar("T")
_RING_CHARACTERS = 100
_log = get_logger(__name__)


@dataclass(frozen=True)
class Shelf:
    """The folder of filters, from the administrator's and from a node's side."""

    publisher: Publisher
    catalogue: Catalogue


class Filters:
    """Thread-safe. ``rings`` tells which rings live; ``changed`` is called after every change."""

    def __init__(
        self,
        shelf: Shelf,
        assignments: Assignments,
        rings: Callable[[], Collection[str]],
        *,
        one_each: bool,
    ) -> None:
        self._shelf = shelf
        self._assignments = assignments
        self._rings = rings
        self._one_each = one_each
        self.changed: Callable[[], object] = lambda: None
        self._adopted: object = None

    def catalogue(self) -> list[IceFlix.FilterInfo]:
        """All filters that may run, with the rings where they do."""
        where = self._where()
        return [_info(each, where.get(each.name, [])) for each in self._all()]

    def running(self) -> list[IceFlix.FilterInfo]:
        """Those that a live ring runs."""
        return [info for info in self.catalogue() if info.rings]

    def running_names(self) -> list[str]:
        """Their names only, for who asks often."""
        where = self._where()
        return [each.name for each in self._all() if where.get(each.name)]

    def code(self, name: str) -> IceFlix.FilterCode:
        """A filter with its signature. Raises Denial."""
        try:
            return _code(self._shelf.catalogue.get(name))
        except UnknownFilter as error:
            raise Denial(UNKNOWN_FILTER, str(error)) from error

    def assigned(self, ring: str, have: str) -> list[IceFlix.FilterCode]:
        """What a ring shall run instead of what it has; nothing if that is right (F40)."""
        if not self._one_each:
            return []
        _check_ring(ring)
        name = _written(lambda: self._assignments.provide(ring, self._names()))
        if not name:
            return []
        code = self.code(name)
        return [] if code.sha256 == have else [code]

    def add(self, name: str, code: bytes) -> None:
        """Sign a filter and put it on the shelf. Raises Denial."""
        try:
            _written(lambda: self._shelf.publisher.add(name, code))
        except InvalidRequest as error:
            raise Denial(INVALID_REQUEST, str(error)) from error
        _log.info("filter added", filter=name)
        self.changed()

    def remove(self, name: str) -> None:
        """Take a filter from the shelf and from its rings. Raises Denial."""
        if not _written(lambda: self._shelf.publisher.remove(name)):
            raise Denial(UNKNOWN_FILTER, f"there is no filter {name[:40]!r}")
        _written(lambda: self._assignments.drop(name))
        _log.info("filter removed", filter=name)
        self.changed()

    def assign(self, ring: str, name: str) -> None:
        """Have a ring run a filter; "" frees the ring. Raises Denial."""
        if not self._one_each:
            raise Denial(INVALID_REQUEST, "in system A every ring runs every filter")
        _check_ring(ring)
        if name:
            self.code(name)
        _written(lambda: self._assignments.assign(ring, name))
        _log.info("filter assigned", ring=ring, filter=name)
        self.changed()

    def rings(self) -> dict[str, str]:
        """Live and assigned rings with their filter; "" for all, or none yet."""
        live = dict.fromkeys(self._rings(), "")
        return {**live, **self._assignments.all()} if self._one_each else live

    def complete(self) -> bool:
        """Whether rings live, among them all that have a filter."""
        live = set(self._rings())
        return bool(live) and (not self._one_each or live.issuperset(self._assignments.all()))

    def adopt(self) -> None:
        """Sign what was dropped into the folder (F30); little work while nothing changes there."""
        try:
            stamp = self._shelf.publisher.stamp()
            if stamp == self._adopted:
                return
            adopted, refused = self._shelf.publisher.adopt()
        except OSError as error:
            _log.warning("the folder of filters cannot be used", error=error.strerror)
            return
        self._adopted = stamp
        for name, reason in refused.items():
            _log.warning("not a filter", filter=name, reason=reason)
        if adopted:
            _log.info("filters signed", filters=adopted)
            self.changed()

    def _where(self) -> dict[str, list[str]]:
        live = sorted(self._rings())
        if not self._one_each:
            return dict.fromkeys(self._names(), live)
        where: dict[str, list[str]] = {}
        given = self._assignments.all()
        for ring in live:
            where.setdefault(given.get(ring, ""), []).append(ring)
        return where

    def _names(self) -> list[str]:
        return sorted(self._shelf.catalogue.listed())

    def _all(self) -> list[Filter]:
        found = []
        for name in self._names():
            try:
                found.append(self._shelf.catalogue.get(name))
            except UnknownFilter as error:
                _log.debug("filter left out", filter=name, reason=str(error))
        return found


def _check_ring(ring: str) -> None:
    if not 0 < len(ring) <= _RING_CHARACTERS or not ring.isprintable():
        raise Denial(INVALID_REQUEST, "this cannot be the name of a ring")


def _info(each: Filter, rings: list[str]) -> IceFlix.FilterInfo:
    parameters = ", ".join(map(str, each.spec.parameters))
    return IceFlix.FilterInfo(each.name, each.sha256, each.spec.summary, parameters, rings)


def _code(each: Filter) -> IceFlix.FilterCode:
    return IceFlix.FilterCode(each.name, each.sha256, each.code, each.signature)


def _written(change: Callable[[], T]) -> T:
    try:
        return change()
    except OSError as error:
        raise Denial(NO_SERVERS, f"cannot write that down: {error.strerror}") from error
