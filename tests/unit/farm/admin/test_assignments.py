"""Which ring runs which filter, kept in a file (F39, F40)."""

from pathlib import Path

import pytest

from iceflix.farm.filteradmin.assignments import Assignments
from iceflix.runtime.errors import SetupError


def test_assignments_survive(tmp_path: Path) -> None:
    """Assignments survive; a ring has one filter; "" frees it."""
    file = tmp_path / "new" / "assignments.json"
    kept = Assignments(file)
    kept.assign("east", "gray")
    kept.assign("west", "blur")
    kept.assign("east", "sepia")
    assert Assignments(file).all() == {"east": "sepia", "west": "blur"}
    kept.assign("west", "")
    assert Assignments(file).all() == {"east": "sepia"}
    kept.drop("sepia")
    assert not Assignments(file).all()


def test_a_ring_without_a_filter_gets_a_free_one(tmp_path: Path) -> None:
    """A ring without a filter gets a free one, and keeps it; when all are taken, none."""
    kept = Assignments(tmp_path / "assignments.json")
    assert kept.provide("east", ["blur", "gray"]) == "blur"
    assert kept.provide("west", ["blur", "gray"]) == "gray"
    assert kept.provide("east", ["aaa", "blur", "gray"]) == "blur"
    assert kept.provide("north", ["blur", "gray"]) == ""


@pytest.mark.parametrize("text", ["", "[]", '{"east": 1}', "\0"])
def test_a_bad_file_is_a_sentence(tmp_path: Path, text: str) -> None:
    """A bad file is a sentence."""
    file = tmp_path / "assignments.json"
    file.write_text(text)
    with pytest.raises(SetupError, match="mend the file or delete it"):
        Assignments(file)
