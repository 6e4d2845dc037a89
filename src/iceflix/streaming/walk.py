"""Listing the media folder, whole or in part. Opens no file.

Links are followed, and each folder is entered once, under one of its names.
"""

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from iceflix.streaming.library import Stamp

Identity = tuple[int, int]  # a folder's device and inode
Enter = Callable[[str, Identity], object]


@dataclass
class Listing:
    """What a folder holds: regular files with their stamps; what cannot be used and why."""

    found: dict[str, Stamp] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    folders: dict[str, Identity] = field(default_factory=dict)

    def add(self, other: "Listing") -> None:
        """Take in another one."""
        self.found |= other.found
        self.problems |= other.problems
        self.folders |= other.folders


@dataclass(frozen=True)
class Scope:
    """The part of the media folder that a listing is about: single files, and whole trees."""

    files: frozenset[str] = frozenset()
    trees: frozenset[str] = frozenset()

    def covers(self, path: str) -> bool:
        """Whether the listing is about this path."""
        return path in self.files or self.within(path)

    def within(self, path: str) -> bool:
        """Whether this is one of the trees, or in one."""
        while path and path not in self.trees:
            path = path.rpartition("/")[0]
        return bool(path)


def walk(folder: str, enter: Enter | None = None, entered: Iterable[Identity] = ()) -> Listing:
    """List the regular files under a folder, but for the folders already entered. Never raises.

    ``enter`` is called for each folder before it is read, so that no change to it is missed.
    """
    listing = Listing()
    seen = set(entered)
    folders = [folder]
    while folders:
        current = folders.pop()
        try:
            status = Path(current).stat()
            identity = (status.st_dev, status.st_ino)
            if identity in seen:
                continue
            seen.add(identity)
            if enter is not None:
                enter(current, identity)
            with os.scandir(current) as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            listing.problems[current] = words_of(error)
            continue
        listing.folders[current] = identity
        below = [entry.path for entry in ordered if _take(entry, listing)]
        folders += reversed(below)
    return listing


def look(
    paths: Iterable[str], known: Mapping[str, Identity], enter: Enter | None = None
) -> tuple[Listing, Scope]:
    """List what is at these paths: files, folders with all that is in them, or nothing any more.

    ``known`` are the folders of the last listing. Returns the listing and what it is about.
    """
    folders = {path for path in paths if path in known or Path(path).is_dir()}
    every = Scope(trees=frozenset(folders))
    trees = frozenset(path for path in folders if not every.within(path.rpartition("/")[0]))
    scope = Scope(frozenset(paths) - folders, trees)
    entered = {identity for path, identity in known.items() if not scope.covers(path)}
    listing = Listing()
    for tree in sorted(trees):
        part = walk(tree, enter, entered)
        if not os.path.lexists(tree):  # gone; that is no problem
            part.problems.pop(tree, None)
        entered.update(part.folders.values())
        listing.add(part)
    for path in sorted(scope.files):
        if not scope.within(path):
            _look_at(path, listing)
    return listing, scope


def words_of(error: OSError) -> str:
    """What is wrong, in the system's words."""
    return error.strerror or type(error).__name__


def _look_at(path: str, listing: Listing) -> None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return
    except OSError as error:
        listing.problems[path] = words_of(error)
        return
    if stat.S_ISREG(status.st_mode):
        listing.found[path] = Stamp.of(status)


def _take(entry: "os.DirEntry[str]", listing: Listing) -> bool:
    """Note a folder's entry; returns whether it is a folder itself."""
    try:
        status = entry.stat()
    except FileNotFoundError:
        if entry.is_symlink():
            listing.problems[entry.path] = "a link to nothing"
        return False
    except OSError as error:
        listing.problems[entry.path] = words_of(error)
        return False
    if stat.S_ISREG(status.st_mode):
        listing.found[entry.path] = Stamp.of(status)
    elif not stat.S_ISDIR(status.st_mode):
        listing.problems[entry.path] = "not a regular file"
    return stat.S_ISDIR(status.st_mode)
