"""What a node measures of itself (F32)."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from iceflix.farm.node.load import LoadMeter


@pytest.fixture(name="pinned")
def _pinned() -> Iterator[int]:
    """This thread runs on one processor."""
    before = os.sched_getaffinity(0)
    processor = min(before)
    os.sched_setaffinity(0, {processor})
    yield processor
    os.sched_setaffinity(0, before)


def test_free_is_bounded_by_what_the_process_may_use(pinned: int) -> None:
    """Free is bounded by what the process may use."""
    meter = LoadMeter()
    assert meter.processors == [pinned]
    time.sleep(0.1)
    free, memory = meter.free(working=True)
    assert 0.0 <= free <= 1.0
    assert memory > 0


@pytest.mark.slow
def test_the_load_of_others_leaves_nothing_free(pinned: int) -> None:
    """The load of others leaves nothing free."""
    code = f"import os\nos.sched_setaffinity(0, {{{pinned}}})\nprint(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as burner:
        try:
            assert burner.stdout is not None
            burner.stdout.readline()
            meter = LoadMeter()
            time.sleep(1.0)
            assert meter.free(working=False)[0] < 0.3
        finally:
            burner.kill()
