"""Every property is described where people look, and nothing else is."""

import re
from pathlib import Path

import pytest

from iceflix.properties import PROPERTIES, Property
from iceflix.runtime.settings import is_known
from tests.conftest import ROOT

CONFIG = ROOT / "config"
# Whose file describes a group of properties; "" stands for the rest, which every service reads.
OWNERS = {"Auth": ("auth",), "Catalog": ("catalog",), "Client": ("client",)}
OWNERS |= {"Media": ("streaming",), "Stream": ("streaming",)}
EVERY_SERVICE = ("main", "auth", "catalog", "streaming")
_LINE = re.compile(r"^#?([A-Z]\w*(?:\.\w+)+)=(.*)$", re.MULTILINE)


def _owners(known: Property) -> tuple[str, ...]:
    return OWNERS.get(known.key.partition(".")[0], EVERY_SERVICE)


def _described(file: Path) -> dict[str, str]:
    return dict(_LINE.findall(file.read_text("utf-8")))


@pytest.mark.parametrize("known", PROPERTIES, ids=lambda known: known.key)
def test_a_property_is_in_its_configuration_files(known: Property) -> None:
    """Commented out, with its default; a place under the home is shown by an example."""
    for owner in _owners(known):
        described = _described(CONFIG / f"{owner}.config")
        assert known.key in described, owner
        if "{home}" not in known.default:
            assert described[known.key] == known.default, owner


def test_the_configuration_files_hold_nothing_unknown() -> None:
    """A key that nobody reads would mislead."""
    for file in CONFIG.glob("*.config"):
        for key in _described(file):
            assert is_known(key), f"{file.name}: {key}"


@pytest.mark.parametrize("known", PROPERTIES, ids=lambda known: known.key)
def test_a_property_is_in_the_operations_guide(known: Property) -> None:
    """One row of its table: name, default, meaning."""
    guide = (ROOT / "docs/operations.md").read_text("utf-8")
    default = known.default.replace("{home}/", "")
    shown = f"`{default}`" if default else "(empty)"
    assert f"| `{known.key}` | {shown} | {known.meaning}" in guide


def test_the_operations_guide_holds_nothing_unknown() -> None:
    """Every key in its tables is read by somebody."""
    guide = (ROOT / "docs/operations.md").read_text("utf-8")
    for key in re.findall(r"^\| `([A-Z]\w*(?:\.\w+)+)` \|", guide, re.MULTILINE):
        assert is_known(key), key
