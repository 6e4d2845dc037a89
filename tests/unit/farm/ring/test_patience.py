"""How long a member waits for its master."""

import pytest

from iceflix.farm.model import NodeLoad, Token
from iceflix.farm.ring.machine import Member
from iceflix.farm.ring.settings import Me, Timing


@pytest.mark.parametrize(
    ("idle_turns", "parked"), [(0, 0.001), (5, 0.016), (9, 0.256), (30, 2.0), (1000, 2.0)]
)
def test_a_master_that_hangs_is_missed_soon_after_work(idle_turns: int, parked: float) -> None:
    """A ring that paused for an instant is not a ring at rest, which parks its token for long."""
    member = Member(Me("ring", "b"), NodeLoad("b"), 0.0)
    token = Token("ring", 1, "a", 7, ("a", "b"), idle_turns=idle_turns, maker="a")
    member.take(token, 10.0)
    assert member.due() == pytest.approx(10.0 + Timing().silence + parked)
