"""Every property is described where people look, and nothing else is."""

import re
from pathlib import Path

import pytest

from iceflix.ops import guide
from iceflix.properties import PROPERTIES, Property
from iceflix.runtime.settings import is_known
from tests.conftest import ROOT

FILES = sorted((ROOT / "config").glob("*.config"))
_LINE = re.compile(r"^#?([A-Z]\w*(?:\.\w+)+)=(.*)$", re.MULTILINE)


def _described(file: Path) -> dict[str, str]:
    return dict(_LINE.findall(file.read_text("utf-8")))


@pytest.mark.parametrize("known", PROPERTIES, ids=lambda known: known.key)
def test_a_property_is_in_the_configuration_files(known: Property) -> None:
    """With its default, in every file that names it; places below the home by an example."""
    values = {file.name: _described(file).get(known.key) for file in FILES}
    described = {name: value for name, value in values.items() if value is not None}
    assert described, f"no file in config/ describes {known.key}"
    if "{home}" not in known.default:
        assert set(described.values()) == {known.default}, described


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_configuration_file_holds_nothing_unknown(file: Path) -> None:
    """A key that nobody reads would mislead; every key has a comment above it."""
    for key in _described(file):
        assert is_known(key), key
    for paragraph in file.read_text("utf-8").strip().split("\n\n"):
        assert paragraph.startswith("# "), paragraph


def test_the_operations_guide_is_up_to_date() -> None:
    """Renew it with: python -m iceflix.ops.guide."""
    text = guide.GUIDE.read_text("utf-8")
    assert guide.renewed(text) == text


def test_the_operations_guide_names_nothing_unknown() -> None:
    """No table of it holds a property that nobody reads."""
    text = guide.GUIDE.read_text("utf-8")
    for key in re.findall(r"^\| `([A-Z]\w*(?:\.\w+)+)` \|", text, re.MULTILINE):
        assert is_known(key), key


def test_a_guide_without_marks_is_refused() -> None:
    """Rather than emptied."""
    with pytest.raises(ValueError, match="lacks"):
        guide.renewed("# Operations\n")
