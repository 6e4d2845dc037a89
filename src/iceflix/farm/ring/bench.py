"""What one member works on, and what it tells the token about it."""

from collections import OrderedDict
from dataclasses import dataclass, field, replace

from iceflix.farm.model import Completion, FilterCode, NodeLoad, Task, Token
from iceflix.farm.ring.effects import Effect, Start, Store

REMEMBERED = 10_000


def remember(known: "OrderedDict[str, None]", name: str) -> None:
    """Keep a name in a memory of bounded size."""
    known[name] = None
    while len(known) > REMEMBERED:
        known.popitem(last=False)


@dataclass
class _Finished:
    """A completion and the token (its key) that carries it."""

    completion: Completion
    carried_by: tuple[int, str] | None = None


@dataclass
class Bench:
    """The member's own tasks.

    A completion is put into the token at every visit until it has disappeared from a token of the
    same key: only the master takes completions out, once a multiserver has them. A token that was
    made anew has a new key, so what was lost with the old one is told again.
    """

    load: NodeLoad
    running: dict[str, Task] = field(default_factory=dict)
    finished: dict[str, _Finished] = field(default_factory=dict)
    filter: FilterCode | None = None
    _started: "OrderedDict[str, None]" = field(default_factory=OrderedDict)

    def done(self, completion: Completion) -> bool:
        """Take a task's end; False when it was not (or no longer) running."""
        if self.running.pop(completion.task, None) is None:
            return False
        self.finished[completion.task] = _Finished(replace(completion, node=self.load.node))
        return True

    def measured(self, load: NodeLoad) -> None:
        """The node's availability was measured."""
        self.load = replace(load, hop_seconds=self.load.hop_seconds)

    def visit(self, token: Token) -> tuple[Token, list[Effect]]:
        """The token is here: take the own tasks out, put news and availability in (F32, F34)."""
        effects: list[Effect] = list(self._filter(token))
        for task in token.assignments:
            if task.node == self.load.node and task.task not in self._started:
                remember(self._started, task.task)
                self.running[task.task] = task
                effects.append(Start(task))
        completions = self._completions(token)
        own = set(self.running)
        others = tuple(load for load in token.loads if load.node != self.load.node)
        return (
            replace(
                token,
                assignments=tuple(t for t in token.assignments if t.node != self.load.node),
                completions=completions,
                running=(*(r for r in token.running if r not in own), *sorted(own)),
                loads=(*others, replace(self.load, running=len(own))),
            ),
            effects,
        )

    def _filter(self, token: Token) -> list[Effect]:
        if not token.filter or not token.filter[0].code:
            return []
        known = self.filter.sha256 if self.filter else ""
        if token.filter[0].sha256 == known:
            return []
        self.filter = token.filter[0]
        return [Store(self.filter)]

    def _completions(self, token: Token) -> tuple[Completion, ...]:
        carried = {completion.task for completion in token.completions}
        for task, finished in list(self.finished.items()):
            if finished.carried_by == token.key and task not in carried:
                del self.finished[task]  # the master has delivered it
            else:
                finished.carried_by = token.key
        news = (f.completion for t, f in self.finished.items() if t not in carried)
        return (*token.completions, *news)
