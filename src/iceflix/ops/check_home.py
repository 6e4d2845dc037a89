"""Is the data whole? Everything under ``ICEFLIX_HOME``, or where properties put it."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from iceflix.ops import facts
from iceflix.ops.findings import Finding, fine, note, wrong
from iceflix.runtime.errors import ServiceError
from iceflix.runtime.settings import Settings

_FEW_BYTES = 200_000_000
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def folder(home: Path) -> Iterator[Finding]:
    """The home: whether it is there, can be written and has room."""
    if not home.exists():
        yield note("home", f"{home} does not exist yet; the first run makes it")
        return
    if not os.access(home, os.W_OK | os.X_OK):
        yield wrong("home", f"{home} cannot be written", "chown it, or set ICEFLIX_HOME")
        return
    free = shutil.disk_usage(home).free
    sentence = f"{home} is writable; {free / 1e9:.1f} GB are free"
    if free < _FEW_BYTES:
        yield wrong("home", sentence, "make room: databases and logs grow")
    else:
        yield fine("home", sentence)


def users(settings: Settings) -> Finding:
    """The credentials file, from the outside: only the Authenticator reads it (F04)."""
    file = settings.path("Auth.File")
    try:
        found = file.stat()
    except FileNotFoundError:
        return note("users", f"there is no {file} yet", "type: ./add_user NAME")
    except OSError as error:
        return wrong("users", f"{file}: {error.strerror}", "mend the mode of its folder")
    if not stat.S_ISREG(found.st_mode) or not os.access(file, os.R_OK):
        return wrong("users", f"{file} cannot be read", "mend its mode or owner")
    if found.st_mode & _OTHERS:
        sentence = f"others can get at {file} (mode {stat.S_IMODE(found.st_mode):04o})"
        return note("users", sentence, f"type: chmod 600 {file}")
    reader = "the Authenticator reads it, and says at its start what is wrong in it"
    return fine("users", f"{file} is private; {reader}")


def key(settings: Settings) -> Finding:
    """The key that signs tokens."""
    file = settings.path("Auth.KeyFile")
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        return note("key", f"there is no {file} yet; the first Authenticator makes it")
    except OSError as error:
        return wrong("key", f"{file}: {error.strerror}", "mend the mode of its folder")
    if mode & _OTHERS:
        return wrong(
            "key",
            f"others can get at {file}, and so make tokens (mode {stat.S_IMODE(mode):04o})",
            f"type: chmod 600 {file}; if somebody may have read it, remove it and start again",
        )
    return fine("key", f"{file} is private")


def catalogue(settings: Settings) -> Finding:
    """The catalogue's database, read only: SQLite's own quick check; whether a server answers."""
    if "://" in settings.text("Catalog.File"):
        return _catalogue_server(settings.text("Catalog.File"))
    file = settings.path("Catalog.File")
    if not file.exists():
        return note("catalogue", f"there is no {file} yet; the first catalogue makes it")
    mend = "bring back a copy, or move the file away: titles come back, names and tags do not"
    try:
        connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.Error as error:
        return wrong("catalogue", f"{file} cannot be read: {error}", mend)
    if verdict != "ok":
        return wrong("catalogue", f"{file} is damaged: {verdict}", mend)
    return fine("catalogue", f"{file} is whole")


def _catalogue_server(address: str) -> Finding:
    """Says nothing of a password in the address."""
    # pylint: disable-next=import-outside-toplevel  # a second that most people need not wait
    from iceflix.catalog.opening import open_database  # noqa: PLC0415

    try:
        database = open_database(address)
        try:
            revision = database.revision()
        finally:
            database.close()
    except ServiceError as error:
        return wrong("catalogue", str(error), 'read "The catalogue on PostgreSQL" in operations.md')
    if revision is None:
        return note("catalogue", f"{database.place} is empty; the first catalogue makes its tables")
    return fine("catalogue", f"{database.place} answers")


def media(settings: Settings) -> Iterator[Finding]:
    """The media folder."""
    place = settings.path("Media.Folder")
    if not place.is_dir():
        mend = "make it, or set Media.Folder"
        if "Media.Folder" in settings.values:
            yield wrong("media", f"there is no folder {place}", mend)
        else:
            yield note("media", f"there is no folder {place} yet; the first run makes it")
        return
    if not os.access(place, os.R_OK | os.X_OK):
        yield wrong("media", f"{place} cannot be read", "mend its mode or owner")
        return
    files = [file for file in place.rglob("*") if file.is_file()]
    closed = [file for file in files if not os.access(file, os.R_OK)]
    yield fine("media", f"files in {place}: {len(files)}")
    if closed:
        yield wrong("media", f"{len(closed)} cannot be read, such as {closed[0]}", "mend the mode")


def leftovers(home: Path) -> Finding:
    """Pid files of processes that are gone."""
    stale = [known.file for known in facts.read_all(home) if not known.alive]
    if stale:
        names = ", ".join(file.stem for file in stale[:4])
        mend = "nothing to do: the next start of that service removes them"
        return note("run", f"left by processes that were killed: {names}", mend)
    return fine("run", "no stale pid files")


def data(auth: Settings, catalog: Settings, streaming: Settings) -> Iterator[Finding]:
    """All of it, each with the settings of the service whose it is."""
    yield from folder(auth.home)
    yield users(auth)
    yield key(auth)
    yield catalogue(catalog)
    yield from media(streaming)
    yield leftovers(auth.home)
