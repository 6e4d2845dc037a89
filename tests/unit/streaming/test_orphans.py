"""Topics of dead providers are removed, and nothing else is."""

import uuid

from iceflix.streaming.orphans import Orphans, topic_name

LIVING, DEAD = str(uuid.uuid4()), str(uuid.uuid4())
OTHERS = ["AuthenticationStatus", "StreamSync-", f"StreamSync-{DEAD}", f"x{topic_name(DEAD, DEAD)}"]


def test_topics_of_a_provider_that_stays_away_go() -> None:
    """After two minutes without interruption."""
    orphan, used = topic_name(DEAD, str(uuid.uuid4())), topic_name(LIVING, str(uuid.uuid4()))
    topics = [orphan, used, *OTHERS]
    orphans = Orphans(patience_seconds=120)
    assert not orphans.sweep(topics, {LIVING}, 0)
    assert not orphans.sweep(topics, {LIVING}, 119)
    assert orphans.sweep(topics, {LIVING}, 120) == [orphan]


def test_one_that_comes_back_keeps_its_topics() -> None:
    """Its absence is counted anew."""
    orphan = topic_name(DEAD, str(uuid.uuid4()))
    orphans = Orphans(patience_seconds=120)
    orphans.sweep([orphan], set(), 0)
    orphans.sweep([orphan], {DEAD}, 60)
    assert not orphans.sweep([orphan], set(), 130)
    assert not orphans.sweep([orphan], set(), 249)
    assert orphans.sweep([orphan], set(), 250) == [orphan]


def test_names_cannot_be_guessed() -> None:
    """They carry the provider's id and the controller's, nothing else."""
    mine = str(uuid.uuid4())
    assert topic_name(LIVING, mine) == f"StreamSync-{LIVING}-{mine}"
