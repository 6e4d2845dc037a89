"""What holds for every sequence of events, however hostile."""

from hypothesis import given
from hypothesis import strategies as st

from iceflix.runtime.failover import Ask, Finish, Race
from iceflix.runtime.membership import Added, Limits, Membership, Rumour, Verify

RUMOURS = st.builds(
    Rumour, st.sampled_from(["a", "b"]), st.sampled_from("12345"), st.sampled_from("xyz")
)
EVENTS = st.tuples(
    st.sampled_from(["announced", "good", "bad", "answered", "failed", "doubted", "tick"]), RUMOURS
)
LIMITS = Limits(verifications=2, backlog=3, members=4)


@given(st.lists(EVENTS, max_size=60))
def test_only_the_verified_are_members_and_all_is_bounded(events: list[tuple[str, Rumour]]) -> None:
    """Only the verified are members and all is bounded."""
    membership = Membership(LIMITS)
    verifying: set[Rumour] = set()
    for now, (event, rumour) in enumerate(events):
        effects = []
        if event == "announced":
            effects = membership.announced(rumour, now)
        elif event in ("good", "bad") and rumour in verifying:
            verifying.discard(rumour)
            effects = membership.verified(rumour, good=event == "good", now=now)
            assert event == "good" or Added(rumour) not in effects
        elif event == "answered":
            membership.answered(rumour, now)
        elif event == "failed":
            membership.failed(rumour, "test")
            assert rumour not in [member.rumour for member in membership.members()]
        elif event == "doubted":
            effects = membership.doubted(rumour)
        else:
            effects = membership.tick(now)
        verifying |= {effect.rumour for effect in effects if isinstance(effect, Verify)}
        assert len(verifying) <= LIMITS.verifications
        assert len(membership.members()) <= LIMITS.members
        ids = [(member.rumour.kind, member.rumour.id) for member in membership.members()]
        assert len(ids) == len(set(ids))


@given(
    st.integers(0, 5),
    st.lists(st.sampled_from(["failed", "declined", "tick", "answered"]), max_size=20),
)
def test_a_race_asks_everybody_at_most_once_and_ends_once(count: int, events: list[str]) -> None:
    """A race asks everybody at most once and ends once."""
    race = Race(list(range(count)), hedge=1.0)
    effects = race.begin(0.0)
    asked = [effect.candidate for effect in effects if isinstance(effect, Ask)]
    finishes = [effect for effect in effects if isinstance(effect, Finish)]
    unanswered = len(asked)
    for now, event in enumerate(events, 1):
        if event == "tick":
            effects = race.tick(float(now))
        elif unanswered == 0:
            continue
        else:
            unanswered -= 1
            effects = race.answered() if event == "answered" else getattr(race, event)(float(now))
        new = [effect.candidate for effect in effects if isinstance(effect, Ask)]
        asked += new
        unanswered += len(new)
        finishes += [effect for effect in effects if isinstance(effect, Finish)]
    assert asked == list(range(len(asked)))
    assert len(finishes) <= 1
    assert race.over == bool(finishes)
    if finishes and not finishes[0].accepted:
        assert len(asked) == count
        assert unanswered == 0
