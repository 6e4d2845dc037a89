"""Pictures to try the farm with, for a home that has none."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import iceflix
from iceflix.runtime.errors import SetupError
from iceflix.runtime.settings import Settings

_FOLDER = Path(iceflix.__file__).resolve().parents[2] / "samples"
PICTURES = tuple(_FOLDER / name for name in ("landscape.jpg", "shapes.png"))


def bring_images(settings: Settings, pictures: Sequence[Path] = PICTURES) -> str:
    """Create the farm's image folder, with sample pictures, unless one exists or another was given.

    Returns a sentence about it, or nothing. Raises SetupError.
    """
    folder = settings.home / "images"
    if "Farm.Images" in settings.values or folder.exists():
        return ""
    there = [picture for picture in pictures if picture.is_file()]
    bring(folder, there)
    what = "sample pictures are in" if there else "put pictures into"
    return f"first run: {what} {folder}"


def bring(folder: Path, files: Sequence[Path]) -> None:
    """Create a folder and copy files into it. Raises SetupError."""
    try:
        folder.mkdir(parents=True)
        for file in files:
            # Under a name that nobody takes for an image or a video until it is whole.
            unfinished = folder / f".{file.name}.part"
            shutil.copy2(file, unfinished)  # its age shows that nobody is writing it
            unfinished.replace(folder / file.name)
    except OSError as error:
        raise SetupError(f"cannot write {folder}: {error.strerror}") from error
