"""Every property is described where people look, and nothing else is."""

import re
from pathlib import Path

import pytest

from iceflix.ops import guide
from iceflix.properties import PROPERTIES, Property
from iceflix.runtime.settings import is_known
from tests.conftest import ROOT

FILES = sorted((ROOT / "config").glob("*.config"))
_LINE = re.compile(r"^(#?)([A-Z]\w*(?:\.\w+)+)=(.*)$", re.MULTILINE)


def _described(file: Path) -> dict[str, str]:
    return {key: value for _, key, value in _LINE.findall(file.read_text("utf-8"))}


def _defaults(file: Path) -> dict[str, str]:
    """What stands there after a "#"; without one, the service has a value of its own."""
    return {key: value for mark, key, value in _LINE.findall(file.read_text("utf-8")) if mark}


@pytest.mark.parametrize("known", PROPERTIES, ids=lambda known: known.key)
def test_a_property_is_in_the_configuration_files(known: Property) -> None:
    """With its default, in every file that names it; places below the home by an example."""
    assert any(known.key in _described(file) for file in FILES), f"none describes {known.key}"
    if "{home}" not in known.default:
        shown = {file.name: _defaults(file).get(known.key, known.default) for file in FILES}
        assert set(shown.values()) == {known.default}, shown


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
