"""What the first run brings: a film to watch and somebody to watch it."""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from iceflix.auth import userfile
from iceflix.ops.project import PICTURES, SAMPLE
from iceflix.runtime.errors import SetupError
from iceflix.runtime.files import atomic_write
from iceflix.runtime.settings import Settings

DEMO_USER = "demo"
DEMO_PASSWORD = "iceflix"  # noqa: S105  the README gives it; the launcher says to change it


def demo_entries() -> userfile.Entries:
    """The credentials file of a first run."""
    digest = hashlib.sha256(DEMO_PASSWORD.encode()).hexdigest()
    return {DEMO_USER: {userfile.HASH_KEY: digest}}


def bring_users(settings: Settings) -> str:
    """Create the credentials file unless one exists or another place was given (V12).

    Returns a sentence about it, or nothing. Raises SetupError.
    """
    file = settings.path("Auth.File")
    if "Auth.File" in settings.values or file.exists():
        return ""
    with _writing(file):
        atomic_write(file, userfile.encode(demo_entries()))
    return f"first run: the user is {DEMO_USER}, the password {DEMO_PASSWORD}"


def bring_sample(settings: Settings, sample: Path = SAMPLE) -> str:
    """Create the media folder, with the sample video, unless one exists or another was given.

    Returns a sentence about it, or nothing. Raises SetupError.
    """
    folder = settings.path("Media.Folder")
    if "Media.Folder" in settings.values or folder.exists():
        return ""
    with _writing(folder):
        folder.mkdir(parents=True)
        if not sample.is_file():
            return f"first run: put videos into {folder}"
        _copy(sample, folder)
    return f"first run: a sample video is in {folder}; put yours there, then ./reload_media"


def bring_images(settings: Settings, pictures: Sequence[Path] = PICTURES) -> str:
    """Create the farm's image folder, with sample pictures, unless one exists or another was given.

    Returns a sentence about it, or nothing. Raises SetupError.
    """
    folder = settings.home / "images"
    if "Farm.Images" in settings.values or folder.exists():
        return ""
    there = [picture for picture in pictures if picture.is_file()]
    with _writing(folder):
        folder.mkdir(parents=True)
        for picture in there:
            _copy(picture, folder)
    what = "sample pictures are in" if there else "put pictures into"
    return f"first run: {what} {folder}"


def _copy(sample: Path, folder: Path) -> None:
    """Under a name that is no video until it is whole."""
    unfinished = folder / f".{sample.name}.part"
    shutil.copy2(sample, unfinished)  # its age shows that nobody is writing it
    unfinished.replace(folder / sample.name)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SetupError(f"cannot write {target}: {error.strerror}") from error
