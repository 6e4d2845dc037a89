"""Who is greeted, and how often."""

from iceflix.runtime.strangers import Strangers


def test_each_is_greeted_once() -> None:
    """However often it announces itself."""
    strangers = Strangers()
    assert strangers.heard("a")
    assert not strangers.heard("a")
    strangers.greeted()
    assert not strangers.heard("a")
    assert strangers.heard("b")


def test_a_crowd_is_greeted_together_and_not_remembered_for_ever() -> None:
    """Ten thousand bogus ones cost one greeting, and no more memory than a thousand."""
    strangers = Strangers()
    assert [strangers.heard(f"{number}") for number in range(10_000)].count(True) == 1
    strangers.greeted()
    assert not strangers.heard("9999")
    assert strangers.heard("1"), "forgotten"
