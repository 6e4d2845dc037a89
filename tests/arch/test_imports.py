"""Who may import whom (the contracts stand in pyproject.toml)."""

import re

from importlinter.cli import lint_imports

from tests.conftest import ROOT

DOORS = {
    "src/iceflix/contract/__init__.py": {"Ice", "IceFlix", "IceStorm"},
    "src/iceflix/streaming/gst.py": {"gi"},  # what is sent
    "src/iceflix/client/gst.py": {"gi"},  # what is shown
}
_DYNAMIC = re.compile(r"import_module\(f?[\"'](Ice|IceFlix|IceStorm|gi)\b")


def test_every_room_knows_only_what_is_below_it() -> None:
    """Layers, doors and pure modules, as import-linter sees them."""
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_foreign_libraries_have_one_door_each() -> None:
    """What import-linter cannot see: imports by name at run time."""
    for file in sorted((ROOT / "src").rglob("*.py")):
        name = str(file.relative_to(ROOT))
        found = set(_DYNAMIC.findall(file.read_text("utf-8")))
        assert found <= DOORS.get(name, set()), name
