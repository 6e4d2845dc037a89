"""Who has what: order, bounds, forgetting (V24-V27)."""

from hypothesis import given
from hypothesis import strategies as st

from iceflix.catalog.availability import Availability, Limits


def test_the_newest_announcement_comes_first() -> None:
    """The newest announcement comes first."""
    availability = Availability()
    availability.announce(7, "one")
    availability.announce(7, "two")
    assert availability.providers(7) == ["two", "one"]
    availability.announce(7, "one")
    assert availability.providers(7) == ["one", "two"]
    availability.announce(7, "one")
    assert availability.providers(7) == ["one", "two"]
    assert availability.providers(8) == []
    assert availability.providers(10**9) == []


def test_a_forgotten_provider_has_nothing_and_may_come_back() -> None:
    """A forgotten provider has nothing and may come back."""
    availability = Availability()
    for title in (1, 2):
        availability.announce(title, "one")
        availability.announce(title, "two")
    availability.forget("two")
    availability.forget("never heard of")
    assert availability.providers(1) == ["one"]
    assert not availability.knows("two")
    availability.announce(2, "two")
    assert availability.providers(1) == ["one"]
    assert availability.providers(2) == ["two", "one"]


def test_the_providers_that_announced_longest_ago_are_forgotten_first() -> None:
    """The providers that announced longest ago are forgotten first."""
    availability = Availability(Limits(providers=3))
    for provider in ("one", "two", "three"):
        availability.announce(1, provider)
    availability.announce(2, "one")
    availability.announce(1, "four")
    assert availability.known() == ["three", "one", "four"]
    assert availability.providers(1) == ["four", "three", "one"]


def test_a_title_remembers_a_few_providers() -> None:
    """A title remembers a few providers."""
    availability = Availability(Limits(per_title=2))
    for provider in ("one", "two", "three"):
        availability.announce(1, provider)
    assert availability.providers(1) == ["three", "two"]


def test_those_out_of_reach_give_way_first() -> None:
    """One that dies and starts again and again does not push out one that lives."""
    alive = {"old", "new"}
    availability = Availability(Limits(per_title=3), alive.__contains__)
    for provider in ("old", "one", "two", "three", "new"):
        availability.announce(1, provider)
    assert availability.providers(1) == ["new", "three", "old"]
    alive.update(("newer", "newest"))
    for provider in ("newer", "newest"):
        availability.announce(1, provider)
    assert availability.providers(1) == ["newest", "newer", "new"]


def test_counting() -> None:
    """Counting."""
    availability = Availability()
    for title in range(5000):
        availability.announce(title, "one")
    for title in range(4000, 6000):
        availability.announce(title, "two")
    assert availability.titles({"one"}) == 5000
    assert availability.titles({"two"}) == 2000
    assert availability.titles({"one", "two", "nobody"}) == 6000
    assert availability.titles(set()) == 0


ANNOUNCEMENTS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from("abcd"), st.booleans()), max_size=60
)


@given(ANNOUNCEMENTS)
def test_like_a_simple_list(events: list[tuple[int, str, bool]]) -> None:
    """Like a simple list."""
    availability = Availability()
    model: dict[int, list[str]] = {}
    for title, provider, forgets in events:
        if forgets:
            availability.forget(provider)
            model = {key: [p for p in had if p != provider] for key, had in model.items()}
        else:
            availability.announce(title * 1000, provider)
            model[title] = [provider, *(p for p in model.get(title, []) if p != provider)]
        for key, providers in model.items():
            assert availability.providers(key * 1000) == providers
        for usable in ({"a"}, {"a", "b"}, set("abcd")):
            expected = sum(bool(usable.intersection(had)) for had in model.values())
            assert availability.titles(usable) == expected
