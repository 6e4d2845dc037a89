"""The samples of a comparison of servers, by server, number of streams and round. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.frame import Figure
from bench.viewers import Heard

_FULL = 0.8  # of the processors: a server that needs more has nothing left for the viewers
_TELLING = 20  # streams: fewer say little of what many cost, which share wake-ups
_DELIVERED, _LOST = 0.95, 0.01  # of the video's seconds, at least; of the packets, at most
_FAILURES = 2  # that is enough

Key = tuple[str, int]  # a server's name, and how many streams


@dataclass(frozen=True)
class Sample:
    """What was measured. ``cpu``: ms of processor time per second of one delivered stream.

    ``share``: of the video that was due, how much came. ``megabytes``, ``threads``: of the server,
    all streams running. ``others``: processors that programs other than these used.
    """

    cpu: float
    share: float
    heard: Heard
    megabytes: float
    threads: int
    others: float

    @property
    def complete(self) -> bool:
        """Whether the viewers got what they were to get, but for a little."""
        return self.share >= _DELIVERED and self.heard.lost <= _LOST * self.heard.packets


class Record:
    """Complete samples count; what was incomplete or failed is told."""

    def __init__(self) -> None:
        self._samples: dict[Key, dict[int, Sample]] = {}
        self._failures: dict[Key, list[str]] = {}
        self._not_tried: dict[Key, str] = {}

    def add(self, key: Key, turn: int, sample: Sample) -> str:
        """Keep a sample of this round; returns what is wrong with it, or nothing."""
        self._samples.setdefault(key, {})[turn] = sample
        if sample.complete:
            return ""
        lost = sample.heard.lost / max(1, sample.heard.packets)
        said = f"only {sample.share:.0%} of the video came, {lost:.1%} of the packets lost"
        self.fail(key, said)
        return said

    def fail(self, key: Key, why: str) -> None:
        """Note a try that failed."""
        self._failures.setdefault(key, []).append(why)

    def given_up(self, key: Key) -> bool:
        """Whether it is no use to try again."""
        return key in self._not_tried or len(self._failures.get(key, [])) >= _FAILURES

    def too_much(self, key: Key, processors: int) -> str:
        """Why it is no use to ask so much of this server, judged by what less took; or nothing."""
        name, count = key
        known = [n for (other, n) in self._samples if other == name and _TELLING <= n < count]
        figure = self.cpu(name, max(known)) if known else None
        needed = 0.0 if figure is None else figure.median * count / 1000
        if needed > _FULL * processors:
            self._not_tried[key] = f"not tried, it would need {needed:.1f} processors"
        return self._not_tried.get(key, "")

    def counts(self) -> list[int]:
        """The numbers of streams that were tried."""
        return sorted({count for _name, count in (*self._samples, *self._failures)})

    def cpu(self, name: str, count: int) -> Figure | None:
        """A server's processor time over the rounds in which it delivered."""
        good = self._good(name, count).values()
        return Figure.of([sample.cpu for sample in good]) if good else None

    def last(self, name: str, count: int) -> Sample | None:
        """The last sample of a server that delivered."""
        return next(reversed(self._good(name, count).values()), None)

    def last_try(self, name: str, count: int) -> Sample | None:
        """A server's last sample, whatever it delivered."""
        return next(reversed(self._samples.get((name, count), {}).values()), None)

    def ratio(self, ours: str, others: Iterable[str], count: int) -> tuple[Figure, str] | None:
        """Our processor time by that of the best of the others, round by round; and who that is."""
        known = [(f.median, name) for name in others if (f := self.cpu(name, count)) is not None]
        if not known:
            return None
        best = min(known)[1]
        mine, theirs = self._good(ours, count), self._good(best, count)
        ratios = [mine[turn].cpu / theirs[turn].cpu for turn in mine.keys() & theirs.keys()]
        return (Figure.of(ratios), best) if ratios else None

    def others(self) -> Figure:
        """How many processors other programs used meanwhile."""
        every = [s.others for samples in self._samples.values() for s in samples.values()]
        return Figure.of(every or [0.0])

    def sentences(self) -> list[str]:
        """What went wrong."""
        found = [f"{name} with {count}: {why}." for (name, count), why in self._not_tried.items()]
        for (name, count), reasons in self._failures.items():
            times = "" if len(reasons) == 1 else f" ({len(reasons)} times)"
            found.append(f"{name} with {count}: {reasons[-1]}{times}.")
        return found

    def _good(self, name: str, count: int) -> dict[int, Sample]:
        samples = self._samples.get((name, count), {})
        return {turn: sample for turn, sample in samples.items() if sample.complete}
