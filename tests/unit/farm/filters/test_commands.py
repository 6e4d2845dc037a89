"""``iceflix filters``: lists, documentation, trials, checks; and the guide's example."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from iceflix.farm.filters import library
from iceflix.farm.filters.catalogue import Publisher
from iceflix.farm.filters.commands import filters
from iceflix.farm.filters.signing import Signer
from iceflix.runtime.errors import SetupError
from iceflix.runtime.settings import Settings
from tests.golden.make import source

GUIDE = Path(__file__).parents[4] / "docs" / "writing-filters.md"
IMPURE = '''import random

def apply(image):
    """Change with every call."""
    return image + random.randrange(256)
'''


def run(home: Path, *arguments: str) -> Result:
    """Run the command."""
    settings = Settings.of(home, {"Farm.MaxPixels": "1000000"})
    return CliRunner().invoke(filters, arguments, obj=settings)


@pytest.fixture(name="image")
def image_fixture(tmp_path: Path) -> Path:
    """A picture."""
    path = tmp_path / "cat.png"
    cv2.imwrite(str(path), source())
    return path


def test_lists_what_is_shipped(tmp_path: Path) -> None:
    """Lists what is shipped."""
    done = run(tmp_path, "list")
    assert done.exit_code == 0
    assert "blur" in done.stdout
    assert "radius: float = 2.0 (0.1 .. 50)" in done.stdout
    rows = json.loads(run(tmp_path, "list", "--json").stdout)
    assert [row["name"] for row in rows] == list(library.names())
    assert {row["state"] for row in rows} == {"shipped"}


def test_lists_what_lies_in_the_folder(tmp_path: Path) -> None:
    """Lists what lies in the folder."""
    folder = tmp_path / "filters"
    Publisher(folder, Signer.make()).add("mine", IMPURE.encode())
    (folder / "dropped.py").write_text(IMPURE)
    (folder / "broken.py").write_text("def")
    states = {
        row["name"]: row["state"] for row in json.loads(run(tmp_path, "list", "--json").stdout)
    }
    assert states["mine"] == "signed"
    assert states["dropped"] == "not signed"
    assert states["broken"] == "not a filter"
    assert states["blur"] == "shipped"


def test_shows_documentation_and_code(tmp_path: Path) -> None:
    """Shows documentation and code."""
    done = run(tmp_path, "show", "crop")
    assert "Cut away at the sides" in done.stdout
    assert "left: float = 0.0 (0 .. 0.99)" in done.stdout
    assert run(tmp_path, "show", "crop", "--code").stdout_bytes == library.code("crop")
    missing = run(tmp_path, "show", "nothing")
    assert missing.exit_code == 2
    assert "no filter 'nothing' is shipped" in missing.stderr


@pytest.mark.slow
def test_tries_a_chain_and_times_it(tmp_path: Path, image: Path) -> None:
    """Tries a chain and times it."""
    done = run(tmp_path, "try", "crop:left=0.5,rotate90", str(image))
    assert done.exit_code == 0, done.output
    made = tmp_path / "cat__crop_left=0.5-rotate90.png"
    assert str(made) in done.stdout
    assert re.search(r"\d ms with reading", done.stdout)
    pixels = cv2.imread(str(made))
    assert pixels is not None
    assert pixels.shape == (60, 80, 3)


@pytest.mark.slow
def test_what_goes_wrong_is_said(tmp_path: Path, image: Path) -> None:
    """What goes wrong is said."""
    (tmp_path / "text.png").write_text("no picture")
    for arguments, code, sentence in (
        (("gray", str(image), "-o", str(image)), 2, "would replace the image"),
        (("nothing", str(image)), 2, "no filter 'nothing'"),
        (("blur:radius=x", str(image)), 2, "radius of blur must be a number"),
        ((",".join(["gray"] * 99), str(image)), 2, "99 filters are too many"),
        (("gray", str(tmp_path / "text.png")), 1, "is not an image of a known format"),
        (("gray", str(image), "-o", str(tmp_path / "none" / "x.png")), 1, "No such file"),
    ):
        done = run(tmp_path, "try", *arguments)
        assert done.exit_code == code, done.output
        assert sentence in done.stderr
        assert "Traceback" not in done.output


@pytest.mark.slow
def test_checks_a_file(tmp_path: Path) -> None:
    """Checks a file."""
    (tmp_path / "impure.py").write_text(IMPURE)
    (tmp_path / "broken.py").write_text("def apply(image)\n")
    impure = run(tmp_path, "check", str(tmp_path / "impure.py"))
    assert impure.exit_code == 1
    assert "a filter must be pure" in impure.stdout
    broken = run(tmp_path, "check", str(tmp_path / "broken.py"))
    assert broken.exit_code == 2
    assert "broken is not Python: line 1" in broken.stderr


@pytest.mark.slow
def test_the_guides_example_works(tmp_path: Path, image: Path) -> None:
    """docs/writing-filters.md, executed."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    frame = tmp_path / "frame.py"
    frame.write_text(blocks[0])
    checked = run(tmp_path, "check", str(frame))
    assert checked.exit_code == 0, checked.output
    assert "Nothing wrong" in checked.stdout
    tried = run(tmp_path, "try", f"gray,{frame}:width=0.1:tone=black", str(image))
    assert tried.exit_code == 0, tried.output
    made = cv2.imread(str(tmp_path / "cat__gray-frame_width=0.1_tone=black.png"), -1)
    assert made is not None
    assert made.shape == (96, 136)
    assert not np.asarray(made)[:8].any()


def test_an_unknown_isolation_is_a_configuration_error(tmp_path: Path, image: Path) -> None:
    """An unknown isolation is a configuration error."""
    settings = Settings.of(tmp_path, {"Farm.Isolation": "none"})
    with pytest.raises(SetupError, match="must be full or reduced"):
        CliRunner().invoke(
            filters, ["try", "gray", str(image)], obj=settings, catch_exceptions=False
        )
