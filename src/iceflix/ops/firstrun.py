"""What the first run brings: a film to watch and somebody to watch it."""

import hashlib
from pathlib import Path

from iceflix.auth import userfile
from iceflix.farm.samples import bring
from iceflix.ops.project import SAMPLE
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
    try:
        atomic_write(file, userfile.encode(demo_entries()))
    except OSError as error:
        raise SetupError(f"cannot write {file}: {error.strerror}") from error
    return f"first run: the user is {DEMO_USER}, the password {DEMO_PASSWORD}"


def only_demo(settings: Settings) -> bool:
    """Whether the credentials file seems to be the first run's still.

    By its length: only the Authenticator reads it (F04).
    """
    try:
        size = settings.path("Auth.File").stat().st_size
    except OSError:
        return False
    return size == len(userfile.encode(demo_entries()))


def bring_sample(settings: Settings, sample: Path = SAMPLE) -> str:
    """Create the media folder, with the sample video, unless one exists or another was given.

    Returns a sentence about it, or nothing. Raises SetupError.
    """
    folder = settings.path("Media.Folder")
    if "Media.Folder" in settings.values or folder.exists():
        return ""
    there = sample.is_file()
    bring(folder, [sample] if there else [])
    if not there:
        return f"first run: put videos into {folder}"
    return f"first run: a sample video is in {folder}; put yours there, then ./reload_media"
