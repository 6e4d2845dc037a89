"""Every failure of a ring, played from files that a person can read (tests/scenarios/ring).

Commands: ``ring A B C`` starts nodes and waits for their token, ``serve m`` a multiserver; ``jobs 6
turn,cut`` submits six; ``run 1.5`` lets seconds pass; ``kill|pause|resume|cut|leave|join X``,
``heal``; ``doom X`` has X die with the token in its hand; ``lose`` or ``duplicate KIND N`` the next
N messages (token, answer, kick, election, elected, exchange, exchange answer); ``refuse m``,
``accept m``; ``epoch`` begins to count. X may be ``master`` or ``other`` (not the master).
``expect`` looks: one token; master C; members A B C; answered 6; epoch +1; tasks 6 (started, in
all); started within 0.01; note TEXT.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from iceflix.farm.multiserver.effects import Answer
from tests.unit.farm.ring.simulator import World

SCENARIOS = Path(__file__).parents[3] / "scenarios" / "ring"


class Stage:
    """Plays one file."""

    # pylint: disable=too-few-public-methods  # it plays

    def __init__(self) -> None:
        self.world = World(seed=7)
        self.jobs = 0
        self.epoch = 0
        self.since = 0.0
        self.asked = 0.0

    def play(self, line: str) -> None:
        """One command."""
        word, *rest = line.split()
        commands: dict[str, Callable[[list[str]], None]] = {
            "ring": self._ring,
            "serve": lambda names: self.world.serve(names[0]),
            "jobs": self._jobs,
            "run": lambda seconds: self.world.run(float(seconds[0])),
            "heal": lambda _: self.world.heal(),
            "lose": lambda what: self._network("lose", what),
            "duplicate": lambda what: self._network("duplicate", what),
            "refuse": lambda names: self.world.refusing.add(names[0]),
            "accept": lambda names: self.world.refusing.discard(names[0]),
            "epoch": lambda _: self._mark(),
            "expect": self._expect,
        }
        if word in commands:
            commands[word](rest)
        else:
            getattr(self.world, word)(self._who(rest[0]))

    def _ring(self, names: list[str]) -> None:
        for name in names:
            self.world.join(name)
        self.world.run(4)
        self._mark()

    def _mark(self) -> None:
        self.epoch = self._epoch()
        self.since = self.world.now

    def _epoch(self) -> int:
        return max(self.world.nodes[name].member.last_seen.epoch for name in self.world.live())

    def _jobs(self, words: list[str]) -> None:
        self.asked = self.world.now
        for _ in range(int(words[0])):
            self.jobs += 1
            self.world.submit("m", f"j{self.jobs}", words[1].split(","))

    def _network(self, what: str, words: list[str]) -> None:
        getattr(self.world.network, what)[" ".join(words[:-1])] += int(words[-1])

    def _who(self, word: str) -> str:
        master = self.world.nodes[self.world.live()[0]].member.master
        if word == "master":
            return master
        if word == "other":
            return next(name for name in self.world.live() if name != master)
        return word

    def _expect(self, words: list[str]) -> None:
        text = " ".join(words)
        world = self.world
        notes = [note for at, _, note in world.records.notes if at >= self.since]
        match words[0]:
            case "one":
                assert len(world.tokens()) == 1, world.tokens()
            case "master":
                assert world.masters() == {words[1]}
            case "members":
                for name in world.live():
                    assert world.nodes[name].member.last_seen.members == tuple(words[1:]), name
            case "answered":
                outcomes = [o for some in world.records.outcomes.values() for o in some]
                assert len(outcomes) == len(world.records.outcomes) == int(words[1])
                assert all(isinstance(outcome, Answer) for outcome in outcomes), outcomes
            case "epoch":
                assert self._epoch() - self.epoch == int(words[1]), notes
            case "started":
                first = min(at for at, _, _ in world.records.started if at >= self.asked)
                assert first - self.asked <= float(words[2])
            case "tasks":
                assert len(world.records.started) == int(words[1])
            case "note":
                assert text.removeprefix("note ") in " ".join(notes), notes
            case _:
                raise AssertionError(f"expect what? {text}")


@pytest.mark.parametrize("file", sorted(SCENARIOS.glob("*.txt")), ids=lambda f: f.stem)
def test_scenario(file: Path) -> None:
    """What the file says comes true."""
    stage = Stage()
    for number, line in enumerate(file.read_text().splitlines(), 1):
        command = line.partition("#")[0].strip()
        if command:
            try:
                stage.play(command)
            except AssertionError as error:
                raise AssertionError(f"{file.name}:{number}: {command}: {error}") from error
