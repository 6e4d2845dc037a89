"""The samples of a comparison: what counts, what is told, what is not tried."""

from bench.frame import Figure
from bench.record import Record, Sample
from bench.viewers import Heard, Pace

PACE = Pace(Figure(1.0, 1.0, 1.0), Figure(1.0, 1.0, 1.0), 1.0, 1.0, 0)


def sample(cpu: float, share: float = 1.0, lost: int = 0) -> Sample:
    """One that cost so much."""
    return Sample(cpu, share, Heard(1, 1.0, 1000, lost, 0, PACE), 1.0, 1, 0.5)


def test_ratios_are_of_the_same_round() -> None:
    """The second round was busy for both; in the third the other one failed."""
    record = Record()
    for turn, (ours, theirs) in enumerate([(1.0, 4.0), (10.0, 20.0), (1.0, 1.0)]):
        record.add(("ours", 100), turn, sample(ours))
        record.add(("other", 100), turn, sample(theirs, share=0.5 if turn == 2 else 1.0))
        record.add(("worse", 100), turn, sample(theirs * 4))
    assert record.ratio("ours", ["worse", "other"], 100) == (Figure(0.375, 0.25, 0.5), "other")
    assert record.cpu("other", 100) == Figure(12.0, 4.0, 20.0)
    assert record.sentences() == [
        "other with 100: only 50% of the video came, 0.0% of the packets lost."
    ]


def test_loss_makes_a_sample_incomplete_but_it_can_be_looked_at() -> None:
    """A packet in fifty is too much."""
    record = Record()
    assert record.add(("ours", 500), 0, sample(1.0, lost=20))
    assert record.last("ours", 500) is None
    tried = record.last_try("ours", 500)
    assert tried is not None and tried.heard.lost == 20
    assert record.counts() == [500]


def test_what_failed_twice_or_needs_the_whole_machine_is_not_tried() -> None:
    """What few streams cost says nothing of that."""
    record = Record()
    record.add(("heavy", 1), 0, sample(30.0))
    assert not record.too_much(("heavy", 100), processors=2)
    record.add(("heavy", 100), 0, sample(9.0))
    assert record.too_much(("heavy", 200), processors=2)
    assert record.given_up(("heavy", 200))
    assert not record.too_much(("heavy", 200 // 2 + 1), processors=4)
    record.fail(("ours", 100), "it did not come")
    assert not record.given_up(("ours", 100))
    record.fail(("ours", 100), "it did not come")
    assert record.given_up(("ours", 100))
    assert "ours with 100: it did not come (2 times)." in record.sentences()


def test_without_samples_there_are_no_figures() -> None:
    """Nor is there a ratio to nobody."""
    record = Record()
    assert record.cpu("ours", 1) is None and record.last("ours", 1) is None
    assert record.ratio("ours", ["other"], 1) is None
    assert record.others() == Figure(0.0, 0.0, 0.0)
