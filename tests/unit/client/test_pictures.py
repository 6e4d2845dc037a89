"""The pictures in the documentation show what the application looks like."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_the_pictures_are_up_to_date() -> None:
    """They are the very bytes that the command makes."""
    script = [str(ROOT / "scripts" / "screenshots"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
