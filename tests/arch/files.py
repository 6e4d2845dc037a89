"""The files of the project: those that are committed, or all but what tools leave behind."""

import subprocess
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

_NOT_OURS = {".git", ".venv", "var", "build", "dist", "__pycache__"}
_BINARY = {".mp4", ".png", ".jpg", ".gif", ".webp", ".mo"}


@cache
def committed() -> tuple[Path, ...]:
    """Paths below the root; links left out. Works in an unpacked archive, too."""
    asked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=False
    )
    if asked.returncode == 0 and asked.stdout:
        found = [ROOT / name for name in asked.stdout.decode().split("\0") if name]
    else:
        found = [
            file
            for file in ROOT.rglob("*")
            if not any(
                part in _NOT_OURS or part.endswith((".egg-info", "_cache"))
                for part in file.relative_to(ROOT).parts
            )
        ]
    return tuple(sorted(file for file in found if file.is_file() and not file.is_symlink()))


def texts() -> list[Path]:
    """Those that people read."""
    return [file for file in committed() if file.suffix not in _BINARY]
