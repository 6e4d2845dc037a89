"""What is asked of the librarian, and looking again at files that are being written."""

import threading
from collections.abc import Callable, Iterator

import pytest

from iceflix.runtime.scheduler import Handle, Scheduler
from iceflix.streaming.errands import Errand, Errands, Patience


@pytest.fixture(name="errands")
def _errands() -> Iterator[Errands]:
    errands = Errands()
    yield errands
    errands.stop()


def test_what_is_asked_together_is_done_at_once(errands: Errands) -> None:
    """A file that moves is two paths."""
    errands.look(["a"])
    errands.look(["b", "a"])
    errands.glance()
    assert errands.take() == Errand(glance=True, paths={"a", "b"})
    errands.rescan()
    errands.rescan()
    assert errands.take() == Errand(whole=True)


def test_very_much_is_everything(errands: Errands) -> None:
    """Reading the folder is quicker than thousands of single looks."""
    errands.look(str(number) for number in range(5000))
    assert errands.take() == Errand(whole=True)


def test_who_waits_is_told_to_stop(errands: Errands) -> None:
    """And so is who comes later."""
    taken: list[Errand | None] = []
    waiting = threading.Thread(target=lambda: taken.append(errands.take()))
    waiting.start()
    errands.stop()
    waiting.join(5)
    errands.look(["a"])
    assert taken == [None] and errands.take() is None


class _Plan(Scheduler):
    """Remembers what is planned; time does not pass."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self.handles: list[Handle] = []

    def after(self, seconds: float, callback: Callable[[], object]) -> Handle:
        """Take note."""
        self.pauses.append(seconds)
        self.handles.append(Handle(callback, None))
        return self.handles[-1]

    def come(self) -> None:
        """The time of the last one has come."""
        callback = self.handles[-1].callback
        assert callback is not None
        callback()


@pytest.fixture(name="plan")
def _plan() -> Iterator[_Plan]:
    plan = _Plan()
    yield plan
    plan.stop()


def test_a_long_copy_is_looked_at_less_and_less_often(plan: _Plan) -> None:
    """Five seconds at most; as soon as something is heard, soon again."""
    looked: list[set[str]] = []
    patience = Patience(plan, 1.0, looked.append)
    for _ in range(8):
        patience.wait_for(["a"])
        plan.come()
    assert plan.pauses[:3] == [1.0, 1.5, 2.25] and max(plan.pauses) == 5.0
    assert looked == [{"a"}] * 8
    patience.wait_for(["a"])
    patience.heard()
    patience.wait_for([])  # the writer is done, says the kernel: a must rest now
    assert plan.pauses[-1] == 1.0 and plan.handles[-2].callback is None
    plan.come()
    assert looked[-1] == {"a"}


def test_many_files_are_one_look(plan: _Plan) -> None:
    """However often something else happens meanwhile."""
    looked: list[set[str]] = []
    patience = Patience(plan, 1.0, looked.append)
    for name in "abc":
        patience.heard()
        patience.wait_for([name])
    assert len(plan.pauses) == 1
    plan.come()
    assert looked == [{"a", "b", "c"}]
    patience.wait_for([])
    assert len(plan.pauses) == 1
