"""Errands and rotation, without a network (F25, F26, F37)."""

from hypothesis import given
from hypothesis import strategies as st

from iceflix.contract.reasons import FILTER_FAILED, NO_SERVERS, TOO_LATE
from iceflix.farm.central.errand import (
    Answer,
    AskHealth,
    CallOff,
    Errand,
    Refuse,
    Submit,
)
from iceflix.farm.central.rotation import Rotation


def _reason(effects: list[object]) -> str:
    return effects[-1].reason if isinstance(effects[-1], Refuse) else ""


def test_three_take_turns() -> None:
    """F26: 3 multiservers, 9 requests: 3/3/3."""
    rotation = Rotation()
    taken = [rotation.take(["c", "a", "b"]) for _ in range(9)]
    assert taken == ["a", "b", "c"] * 3
    assert rotation.take([]) is None


def test_one_that_is_ill_costs_the_others_no_turn() -> None:
    """F26: one dead, the other two alternate."""
    rotation = Rotation()
    served = []
    for _ in range(10):
        tried: list[str] = []
        while (name := rotation.take(["a", "b", "c"], tried)) == "b":
            tried.append(name)
        served.append(name)
    assert served == ["a", "c"] * 5


@given(st.lists(st.sets(st.sampled_from("abcde")), max_size=40))
def test_nobody_waits_longer_than_the_others_are_many(presence: list[set[str]]) -> None:
    """Who is there all the time has a turn after at most as many others as there can be."""
    rotation = Rotation()
    since = 0
    for present in presence:
        taken = rotation.take(present | {"c"})
        since = 0 if taken == "c" else since + 1
        assert since < 5


def test_a_job_is_done() -> None:
    """A job is done."""
    errand: Errand[str] = Errand(Rotation(), 10.0)
    assert errand.begin(["a", "b"]) == [AskHealth("a")]
    assert errand.healthy("a", 4.0) == [Submit("a", 6.0)]
    assert errand.answered("a", "result") == [Answer("result")]
    assert not errand.expired()


def test_an_ill_one_is_passed_over() -> None:
    """F25: discovered by the health check."""
    errand: Errand[str] = Errand(Rotation(), 10.0)
    errand.begin(["a", "b"])
    assert errand.ill("a", ["a", "b"]) == [AskHealth("b")]
    assert not errand.healthy("a", 1.0)  # too late
    assert errand.healthy("b", 1.0) == [Submit("b", 9.0)]


def test_one_that_dies_at_work_is_replaced_and_called_off() -> None:
    """F37: the job goes to the next one; whoever answers first ends it."""
    errand: Errand[str] = Errand(Rotation(), 10.0)
    errand.begin(["a", "b"])
    errand.healthy("a", 0.0)
    assert errand.ill("a", ["a", "b"]) == [CallOff("a"), AskHealth("b")]
    assert not errand.ill("a", ["b"])  # the second to tell us
    errand.healthy("b", 1.0)
    assert not errand.refused("a", FILTER_FAILED, "called off")
    assert errand.answered("a", "same") == [Answer("same"), CallOff("b")]
    assert not errand.answered("b", "same")


def test_nobody_there_is_a_refusal() -> None:
    """F25: none left: no hang."""
    errand: Errand[str] = Errand(Rotation(), 10.0)
    assert _reason([*errand.begin([])]) == NO_SERVERS
    errand = Errand(Rotation(), 10.0)
    errand.begin(["a"])
    assert _reason([*errand.ill("a", ["a"])]) == NO_SERVERS


def test_all_full_is_told_apart() -> None:
    """All full is told apart."""
    errand: Errand[str] = Errand(Rotation(), 10.0)
    errand.begin(["a", "b"])
    errand.healthy("a", 0.0)
    assert errand.ill("a", ["a", "b"], full="a is busy") == [AskHealth("b")]
    [refusal] = errand.ill("b", ["a", "b"], full="b is busy")
    assert isinstance(refusal, Refuse)
    assert refusal.detail == "a is busy"


def test_a_refusal_is_final() -> None:
    """A refusal is final."""
    errand: Errand[str] = Errand(Rotation(), 10.0)
    errand.begin(["a", "b"])
    errand.healthy("a", 0.0)
    assert _reason([*errand.refused("a", FILTER_FAILED, "x")]) == FILTER_FAILED
    assert errand.ended


def test_the_deadline_ends_it() -> None:
    """The deadline ends it, at work or not."""
    errand: Errand[str] = Errand(Rotation(), 10.0)
    errand.begin(["a"])
    errand.healthy("a", 0.0)
    effects = errand.expired()
    assert effects[0] == CallOff("a")
    assert _reason([*effects]) == TOO_LATE
    assert not errand.ill("a", ["b"])


_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["healthy", "ill", "full", "answered", "refused", "expired"]),
        st.sampled_from("abc"),
    ),
    max_size=30,
)


@given(st.sets(st.sampled_from("abc")), _EVENTS)
def test_there_is_one_end_whatever_happens(live: set[str], events: list[tuple[str, str]]) -> None:
    """F37: exactly one answer or refusal; no server is asked twice; after the end, silence."""
    errand: Errand[str] = Errand(Rotation(), 10.0)
    effects = list(errand.begin(live))
    for what, server in events:
        if what == "healthy":
            effects += errand.healthy(server, 1.0)
        elif what in ("ill", "full"):
            effects += errand.ill(server, live, full="busy" if what == "full" else "")
        elif what == "answered":
            effects += errand.answered(server, "r")
        elif what == "refused":
            effects += errand.refused(server, FILTER_FAILED, "x")
        else:
            effects += errand.expired()
    effects += errand.expired()
    ends = [effect for effect in effects if isinstance(effect, Answer | Refuse)]
    asked = [effect.server for effect in effects if isinstance(effect, AskHealth)]
    assert len(ends) == 1
    assert errand.ended
    assert len(asked) == len(set(asked))
