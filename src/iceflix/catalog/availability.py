"""Which providers said that they have a title, newest announcement last. Volatile (V24).

Titles go by their number in the database, which is dense, so a million announced titles cost a
few megabytes: they lie in pages, and all titles with the same providers in the same order share
one object. Providers go by what they called themselves, a UUID or a stringified proxy (V26);
whether one is alive is not known here. One that is hung keeps its titles and serves again when it
is back; what bounds the memory is that only the providers that announced last are remembered. Of a
title those that cannot be reached give way first: a provider that dies and starts again and again,
under another name each time, must not push out one that lives.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

_PAGE = 1024  # titles


@dataclass(frozen=True)
class Limits:
    """How many providers are remembered in all, and for one title."""

    providers: int = 1000
    per_title: int = 8


@dataclass
class _Group:
    """All titles that have these providers, the newest announcement last."""

    providers: tuple[int, ...]
    titles: int = 0


@dataclass
class Availability:
    """Not thread-safe: its owner holds a lock. ``reachable``: whether it is worth trying."""

    limits: Limits = field(default_factory=Limits)
    reachable: Callable[[str], bool] = lambda _provider: True
    _next: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)  # last announcement last
    _names: dict[int, str] = field(default_factory=dict)
    _groups: dict[tuple[int, ...], _Group] = field(default_factory=dict)
    _pages: dict[int, list[_Group | None]] = field(default_factory=dict)

    def announce(self, title: int, provider: str) -> None:
        """The provider says that it has the title: it is the newest one now (V27)."""
        number = self._number(provider)
        page = self._pages.setdefault(title // _PAGE, [None] * _PAGE)
        before = page[title % _PAGE]
        known = () if before is None else before.providers
        if known and known[-1] == number:
            return
        others = [old for old in known if old != number and old in self._names]
        providers = (*self._bounded(others), number)
        group = self._groups.get(providers)
        if group is None:
            group = self._groups[providers] = _Group(providers)
        group.titles += 1
        page[title % _PAGE] = group
        if before is not None:
            self._leave(before)

    def providers(self, title: int) -> list[str]:
        """Who has the title, the newest announcement first."""
        page = self._pages.get(title // _PAGE)
        group = None if page is None else page[title % _PAGE]
        if group is None:
            return []
        names = self._names
        return [names[number] for number in reversed(group.providers) if number in names]

    def knows(self, provider: str) -> bool:
        """Whether the provider has announced anything and is not forgotten."""
        return provider in self._numbers

    def known(self) -> list[str]:
        """All providers, the one that announced last at the end."""
        return list(self._numbers)

    def forget(self, provider: str) -> None:
        """The provider has nothing any more."""
        number = self._numbers.pop(provider, None)
        if number is not None:
            del self._names[number]

    def titles(self, usable: set[str]) -> int:
        """How many titles at least one of these providers has."""
        numbers = {self._numbers[name] for name in usable if name in self._numbers}
        return sum(
            group.titles for group in self._groups.values() if numbers.intersection(group.providers)
        )

    def _number(self, provider: str) -> int:
        """The provider's number; numbers are never used twice, so forgetting needs no sweep."""
        number = self._numbers.pop(provider, None)
        if number is None:
            number = self._next
            self._next += 1
            self._names[number] = provider
        self._numbers[provider] = number
        while len(self._numbers) > self.limits.providers:
            self.forget(next(iter(self._numbers)))
        return number

    def _bounded(self, others: list[int]) -> list[int]:
        """Those that may stay beside one more, in their order."""
        surplus = len(others) + 1 - self.limits.per_title
        if surplus <= 0:
            return others
        by_use = sorted(others, key=lambda number: self.reachable(self._names[number]))
        gone = set(by_use[:surplus])  # sorting is stable: the oldest of each kind first
        return [number for number in others if number not in gone]

    def _leave(self, group: _Group) -> None:
        group.titles -= 1
        if not group.titles:
            del self._groups[group.providers]
