"""The titles of a provider: which files hold which content. Pure.

A medium's id is the lower-case hexadecimal SHA-256 of the file's bytes (V38). Files of equal
content are one medium with several places (V37); a file whose content changes is another medium.
"""

import functools
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any

from iceflix.streaming.plans import Plan
from iceflix.streaming.sdp import Track, one_line


@dataclass(frozen=True)
class Stamp:
    """What changes when a file's content changes: size in bytes, mtime in ns, inode."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        """The stamp of an ``os.stat`` result."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)

    @property
    def is_telling(self) -> bool:
        """Whether it tells a file from all others, whatever their names.

        An inode's number goes to a new file when the old one is gone, and archives and simple disks
        give many files the same time, in whole seconds.
        """
        return self.mtime_ns % 1_000_000_000 != 0


@dataclass(frozen=True)
class Picture:
    """A video track: media type, pixels, frames per second."""

    codec: str
    width: int
    height: int
    frame_rate: float


@dataclass(frozen=True)
class Sound:
    """An audio track: media type, Hz, channels; its language (ISO 639), empty when not told."""

    codec: str
    rate: int
    channels: int
    language: str = ""


@dataclass(frozen=True)
class Subtitles:
    """A track of subtitles: media type, language (ISO 639) or empty. They are not sent."""

    codec: str
    language: str = ""


# Thousands of files have few different ones.
_plan = functools.lru_cache(1000)(Plan)
_track = functools.lru_cache(1000)(Track)
_sound = functools.lru_cache(1000)(Sound)


@dataclass(frozen=True)
class Choices:
    """The tracks beside the picture that a file offers, in its order."""

    sounds: tuple[Sound, ...] = ()
    subtitles: tuple[Subtitles, ...] = ()

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Choices":
        """The same from JSON types. Raises ValueError, TypeError or KeyError."""
        return cls(
            tuple(_sound(**sound) for sound in fields["sounds"]),
            tuple(Subtitles(**text) for text in fields["subtitles"]),
        )


@dataclass(frozen=True)
class Format:
    """What is in a video file and how it becomes RTP.

    ``audio`` is the media type of the sound that is sent, empty when the file has none.
    """

    container: str
    picture: Picture
    audio: str
    duration_seconds: float | None
    plan: Plan
    tracks: tuple[Track, ...]
    choices: Choices = Choices()

    @property
    def sound(self) -> Sound | None:
        """The audio track that is sent; None when there is none, or nothing is known of it."""
        found = (sound for sound in self.choices.sounds if sound.codec == self.audio)
        return next(found, None) if self.plan.audio else None

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of the audio tracks, each once."""
        told = (sound.language for sound in self.choices.sounds)
        return tuple(dict.fromkeys(filter(None, told)))

    def as_json(self) -> dict[str, Any]:
        """The format as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Format":
        """The format from what ``as_json`` gave. Raises ValueError, TypeError or KeyError."""
        tracks = (
            {**track, "parameters": tuple(map(tuple, track["parameters"]))}
            for track in fields["tracks"]
        )
        return cls(
            **{
                **fields,
                "picture": Picture(**fields["picture"]),
                "plan": _plan(**fields["plan"]),
                "tracks": tuple(_track(**track) for track in tracks),
                "choices": Choices.from_json(fields["choices"]),
            }
        )


@dataclass(frozen=True)
class Entry:
    """One file that was read: a video with digest and format, or a problem in words."""

    stamp: Stamp
    digest: str = ""
    format: Format | None = None
    problem: str = ""


@dataclass(frozen=True)
class Medium:
    """A medium at one of its places, ready to be played."""

    id: str
    title: str
    path: str
    stamp: Stamp
    format: Format


@dataclass(frozen=True)
class Change:
    """What an update did: the medium that became known; that is gone; that has lost a place."""

    new: str | None = None
    gone: str | None = None
    kept: str | None = None


def title_of(path: str) -> str:
    """The initial name of a file: its stem as valid text on one line (V39)."""
    stem = PurePath(path).stem
    return one_line(os.fsencode(stem).decode("utf-8", "replace"), limit=255)


class Library:
    """The index of media by id and by path. Not thread-safe: one owner, one lock."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._places: dict[str, dict[str, None]] = {}  # id -> paths, in the order of their arrival

    def put(self, path: str, entry: Entry) -> Change:
        """A file was read. A file with a problem is like one that is gone."""
        before = self._entries.get(path)
        if entry.format is None:
            return self.drop(path)
        if before is not None and before.digest == entry.digest:
            self._entries[path] = entry
            return Change()
        gone = self.drop(path).gone
        self._entries[path] = entry
        places = self._places.setdefault(entry.digest, {})
        places[path] = None
        return Change(entry.digest if len(places) == 1 else None, gone)

    def drop(self, path: str) -> Change:
        """A file is gone."""
        entry = self._entries.pop(path, None)
        if entry is None:
            return Change()
        places = self._places[entry.digest]
        del places[path]
        if places:
            return Change(kept=entry.digest)
        del self._places[entry.digest]
        return Change(gone=entry.digest)

    def ids(self) -> list[str]:
        """Every medium, in the order in which they became known."""
        return list(self._places)

    def paths(self) -> list[str]:
        """Every file that holds one."""
        return list(self._entries)

    def places(self, media_id: str) -> list[Medium]:
        """The medium at each of its places; none for an unknown id."""
        return [self._medium(media_id, path) for path in self._places.get(media_id, ())]

    def _medium(self, media_id: str, path: str) -> Medium:
        entry = self._entries[path]
        if entry.format is None:
            raise AssertionError("only videos are kept")
        return Medium(media_id, title_of(path), path, entry.stamp, entry.format)


class Settling:
    """Tells files that rest from files that somebody is still writing (V73).

    A file rests when its last change is ``seconds`` old, or, where clocks disagree, when it has
    looked the same for that long while we watched.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[str, tuple[Stamp, float]] = {}

    def rests(self, path: str, status: os.stat_result, wall: float, now: float) -> bool:
        """Whether the file rests; ``wall`` is the time of day, ``now`` a monotonic clock."""
        changed = max(status.st_mtime, status.st_ctime)
        stamp = Stamp.of(status)
        first = self._seen.get(path)
        if first is None or first[0] != stamp:
            first = self._seen[path] = (stamp, now)
        rests = wall - changed >= self._seconds or now - first[1] >= self._seconds
        if rests:
            del self._seen[path]
        return rests

    def forget(self, path: str) -> None:
        """It is gone, or changed while it was read: begin again."""
        self._seen.pop(path, None)


def sort_out(
    found: Mapping[str, Stamp], known: Mapping[str, Entry]
) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """What is known of the files of a listing: by their names, and by their stamps alone.

    The latter are files that have got another name since (or have several).
    """
    named = {
        path: known[path]
        for path, stamp in found.items()
        if path in known and known[path].stamp == stamp
    }
    rest = {path: stamp for path, stamp in found.items() if path not in named and stamp.is_telling}
    if not rest:
        return named, {}
    stamped = {entry.stamp: entry for entry in known.values()}
    return named, {path: stamped[stamp] for path, stamp in rest.items() if stamp in stamped}
