"""The life of a controller: played from files that a person can read, and by chance."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceflix.streaming.lifetime import (
    Check,
    Effect,
    End,
    Lifetime,
    Limits,
    RequestAuthentication,
    State,
    Verdict,
)

SCENARIOS = Path(__file__).parents[2] / "scenarios" / "streaming"


def _words(effects: list[Effect] | list[End]) -> str:
    said = []
    for effect in effects:
        if isinstance(effect, Check):
            said.append(f"check {effect.token}")
        elif isinstance(effect, RequestAuthentication):
            said.append("requestAuthentication")
        else:
            said.append("end")
    return ", ".join(said)


class _Player:
    """Plays one scenario. ``now`` runs from line to line, ticking whenever a tick is due."""

    def __init__(self, verdicts: dict[str, Verdict] | None = None) -> None:
        self.lifetime: Lifetime | None = None
        self.verdicts = verdicts or {}

    def until(self, now: float) -> list[tuple[float, str]]:
        """Let time pass; returns what happened and when. The Authenticators answer at once."""
        happened = []
        while self.lifetime is not None:
            due = self.lifetime.deadline
            if due is None or due > now:
                break
            happened += self._follow(due, self.lifetime.tick(due))
        return happened

    def event(self, now: float, words: list[str]) -> list[tuple[float, str]]:
        """Something happens."""
        if words[0] == "opened":
            self.lifetime = Lifetime(words[1], now)
            return []
        assert self.lifetime is not None
        if words[0] == "authenticators":
            self.verdicts[words[2]] = Verdict(words[4])
            return []
        if words[0] == "bound":
            self.lifetime.bind(words[1], now)
            return []
        if words[0] == "revoked":
            return self._follow(now, self.lifetime.revoked(words[1], now))
        if words[0] == "stopped":
            return [(now, _words(self.lifetime.stop()))]
        assert words[0] == "passes"
        return []

    def _follow(self, now: float, effects: list[Effect]) -> list[tuple[float, str]]:
        assert self.lifetime is not None
        happened = []
        for effect in effects:
            happened.append((now, _words([effect])))
            if isinstance(effect, Check) and effect.token in self.verdicts:
                verdict = self.verdicts[effect.token]
                answer = self.lifetime.verdict(effect.token, verdict, now)
                happened += self._follow(now, answer)
        return happened


def _play(text: str) -> list[str]:
    """The scenario with what really happened after each arrow; checks are left out."""
    player, lines = _Player(), []
    for line in text.splitlines():
        if not line or line.startswith(("#", " ")):
            continue
        time, event = line.split("  ", 1)
        now = float(time)
        happened = [*player.until(now), *player.event(now, event.split())]
        for when, what in happened:
            if what and not what.startswith("check"):
                lines.append(f"          -> {when:g} {what}")
        lines.append(line)
    return lines


@pytest.mark.parametrize("file", sorted(SCENARIOS.glob("*.txt")), ids=lambda file: file.stem)
def test_scenario(file: Path) -> None:
    """What happens is what the file says."""
    text = file.read_text("utf-8")
    wanted = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert _play(text) == wanted


def test_questions_are_few_and_come_when_they_matter() -> None:
    """Every five seconds, then often, and right after the token's time is over."""
    lifetime, asked = Lifetime("A", 0.0), []
    while (due := lifetime.deadline) is not None and due < 31:
        for effect in lifetime.tick(due):
            assert effect == Check("A")
            asked.append(due)
            assert not lifetime.verdict("A", Verdict.VALID, due)
    assert asked[:4] == [5, 10, 15, 20]
    assert len(asked) < 22
    assert any(30 < time < 30.2 for time in asked)
    gaps = [after - before for before, after in pairwise(asked[4:])]
    assert max(gaps) <= 0.75


def test_a_question_without_an_answer_is_answered_by_the_clock() -> None:
    """An Authenticator that hangs cannot keep a stream alive (V21)."""
    lifetime = Lifetime("A", 0.0)
    times = []
    while (due := lifetime.deadline) is not None:
        times += [(due, effect) for effect in lifetime.tick(due) if not isinstance(effect, Check)]
    (asked_at, request), (ended_at, end) = times
    assert request == RequestAuthentication() and 30 <= asked_at <= 32
    assert isinstance(end, End) and ended_at == asked_at + 10
    assert ended_at <= 42


def test_late_answers_about_former_tokens_change_nothing() -> None:
    """The question was about A; B is bound by now."""
    lifetime = Lifetime("A", 0.0)
    assert lifetime.revoked("A", 1.0) == [Check("A")]
    lifetime.bind("B", 1.1)
    assert not lifetime.verdict("A", Verdict.INVALID, 1.2)
    assert lifetime.state is State.BOUND
    assert lifetime.token == "B"


def test_nothing_revives_the_dead() -> None:
    """After its end it ignores everything."""
    lifetime = Lifetime("A", 0.0)
    assert lifetime.stop()
    lifetime.bind("B", 1.0)
    assert not lifetime.stop()
    assert not lifetime.revoked("B", 2.0)
    assert not lifetime.tick(100.0)
    assert lifetime.deadline is None


_EVENTS = st.one_of(
    st.tuples(st.just("wait"), st.floats(0, 15)),
    st.tuples(st.just("bind"), st.sampled_from("ABC")),
    st.tuples(st.just("revoke"), st.sampled_from("ABCX")),
    st.tuples(st.just("answer"), st.sampled_from(list(Verdict))),
)


@given(st.lists(_EVENTS, max_size=40), st.sampled_from(list(Verdict)))
def test_whatever_happens(events: list[tuple[str, object]], usual: Verdict) -> None:
    """No grace is shorter or longer than ten seconds; no token outlives its time unconfirmed."""
    limits = Limits()
    lifetime = Lifetime("A", 0.0, limits)
    now = bound_at = confirmed = 0.0
    grace: float | None = None

    def take(effects: list[Effect]) -> None:
        nonlocal grace, confirmed
        for effect in effects:
            if isinstance(effect, Check):
                if usual is Verdict.VALID:
                    confirmed = now
                take(lifetime.verdict(effect.token, usual, now))
            elif isinstance(effect, RequestAuthentication):
                assert lifetime.state is State.GRACE
                grace = now
            else:
                assert grace is not None and now == grace + limits.grace

    for kind, value in events:
        if kind == "wait":
            assert isinstance(value, float)
            until = now + value
            while lifetime.deadline is not None and lifetime.deadline <= until:
                now = lifetime.deadline
                take(lifetime.tick(now))
            now = until
        elif kind == "bind" and lifetime.state is not State.ENDED:
            fresh = value != lifetime.token
            lifetime.bind(str(value), now)
            assert lifetime.state is State.BOUND and lifetime.token == value
            grace, confirmed = None, now
            bound_at = now if fresh else bound_at
        elif kind == "revoke":
            take(lifetime.revoked(str(value), now))
        elif kind == "answer":
            assert isinstance(value, Verdict)
            confirmed = now if value is Verdict.VALID else confirmed
            take(lifetime.verdict(lifetime.token, value, now))
        if lifetime.state is State.BOUND:
            assert now <= max(bound_at + limits.token + limits.answer, confirmed) + 2
        if lifetime.state is State.GRACE:
            assert grace is not None and now < grace + limits.grace
