"""Every value of the farm goes over the wire and comes back the same."""

import pytest

from iceflix.farm.model import (
    Completion,
    FilterCode,
    Job,
    NodeLoad,
    RingReport,
    Step,
    Task,
    Token,
)
from iceflix.farm.wire import from_slice, many_from_slice, to_slice

TASK = Task("j/0/1", "m", "a", "in.png", "out.png", (Step("blur", {"radius": "4"}),), ("f",), 2.0)
DONE = Completion("j/0/1", "m", "a", True, "", "", "out.png", "s", "r", 0.1, ("f",))
LOAD = NodeLoad("a", 0.5, 1 << 40, 1, 2, 0.001)
CODE = FilterCode("blur", "f", b"code", b"signature")
TOKEN = Token(
    "ring", 1 << 40, "a", 7, ("a", "b"), ("c",), (LOAD,), (TASK,), ("t",), (DONE,), (CODE,), 3, "b"
)
REPORT = RingReport("ring", "a", 2, "blur", "f", (LOAD,), ("t",), (DONE,), ("c",))


@pytest.mark.parametrize(
    "value", [TASK, DONE, LOAD, CODE, TOKEN, REPORT, Job("j", "a.png", (Step("gray"),), 3.0)]
)
def test_there_and_back(value: object) -> None:
    """There and back."""
    struct = to_slice(value)
    assert type(struct).__name__ == type(value).__name__
    assert from_slice(type(value), struct) == value
    assert many_from_slice(type(value), [struct]) == (value,)


def test_another_structure_is_not_taken() -> None:
    """Another structure is not taken."""
    with pytest.raises(TypeError, match="Task is no Token"):
        from_slice(Token, to_slice(TASK))
