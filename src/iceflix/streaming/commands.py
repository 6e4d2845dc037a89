"""The commands that administer the videos: ``iceflix media ...``, hence ``reload_media``.

Exit codes: 0 done; 1 something did not work, and what; 2 wrong usage or configuration; 3 no
StreamProvider runs here.
"""

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import click

from iceflix.runtime.settings import Settings
from iceflix.streaming import gst
from iceflix.streaming.cache import Cache
from iceflix.streaming.library import Entry, Format, title_of
from iceflix.streaming.plans import COPY, TRANSCODE
from iceflix.streaming.prober import ProberPool
from iceflix.streaming.progress import progress_for_terminal
from iceflix.streaming.running import tell_providers
from iceflix.streaming.service import media_folder, scanner_for
from iceflix.streaming.shelf import printable
from iceflix.streaming.walk import Listing, walk

EXIT_NOBODY_TOLD = 3
_AAC = {2, 4}  # versions of MPEG
_CODECS = {
    "video/x-h264": "H.264",
    "video/x-h265": "H.265",
    "video/x-vp8": "VP8",
    "video/x-vp9": "VP9",
    "video/x-av1": "AV1",
    "video/mpeg": "MPEG video",
    "audio/mpeg": "MPEG audio",
    "audio/x-opus": "Opus",
    "audio/x-vorbis": "Vorbis",
    "audio/x-ac3": "AC-3",
}


@click.group()
def media() -> None:
    """Administer the videos."""


@media.command()
@click.pass_context
def reload(context: click.Context) -> None:
    """Have the running StreamProviders read their folder again and announce what is new.

    Streams go on meanwhile. Exit code 3: none runs here.
    """
    settings: Settings = context.obj
    try:
        told = tell_providers(settings.home)
    except PermissionError:
        raise click.ClickException(
            "the StreamProvider belongs to another user; run this as that user, or with sudo"
        ) from None
    if not told:
        click.echo(
            f"No StreamProvider runs here ({settings.home}); one that is started will look.",
            err=True,
        )
        context.exit(EXIT_NOBODY_TOLD)
    for pid in told:
        click.echo(f"The StreamProvider in process {pid} reads its folder again.")


@media.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_obj
def list_all(settings: Settings, as_json: bool) -> None:
    """List the videos that are there, as they were last read. Opens none of them."""
    folder = media_folder(settings)
    cache = Cache(settings.path("Media.CacheFile"), folder, gst.version)
    found = walk(str(folder)).found
    videos = [
        _Video(path, entry)
        for path, entry in sorted(cache.entries().items())
        if entry.format is not None and found.get(path) == entry.stamp
    ]
    if as_json:
        click.echo(json.dumps([video.as_json() for video in videos], indent=2))
        return
    for video in videos:
        click.echo(video.line())
    if not videos:
        click.echo(f"no videos have been read in {folder}", err=True)


@media.command()
@click.argument(
    "folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_obj
def check(settings: Settings, folder: Path | None, as_json: bool) -> None:
    """Read FOLDER (else the media folder) and tell what would be announced, and what not and why.

    Exit code 1: some file cannot be used.
    """
    place = folder.absolute() if folder is not None else media_folder(settings)
    gst.require()
    findings = read(settings, place)
    if as_json:
        click.echo(json.dumps(findings.as_json(), indent=2))
    else:
        for video in sorted(findings.videos, key=lambda video: video.path):
            click.echo(video.line())
        for path, reason in sorted(findings.problems.items()):
            click.echo(f"skipped: {printable(path)}: {reason}", err=True)
    if findings.problems:
        raise click.exceptions.Exit(1)


media.add_command(check, "scan")


@dataclass(frozen=True)
class _Video:
    path: str
    entry: Entry

    def line(self) -> str:
        """One line for people."""
        form = self._form
        words = [f"{form.picture.width}x{form.picture.height}", *_tracks_in_words(form)]
        if form.duration_seconds is not None:
            words.insert(0, f"{form.duration_seconds:.1f} s")
        return f"{self.entry.digest}  {printable(self.path)}  ({', '.join(words)})"

    def as_json(self) -> dict[str, object]:
        """The same for scripts."""
        return {
            "id": self.entry.digest,
            "title": title_of(self.path),
            "path": printable(self.path),
            "size": self.entry.stamp.size,
            "format": self._form.as_json(),
        }

    @property
    def _form(self) -> Format:
        if self.entry.format is None:
            raise AssertionError("only videos are listed")
        return self.entry.format


def _tracks_in_words(form: Format) -> list[str]:
    """The picture and the sound, each with its languages and whether it is sent as it is."""
    picture = _CODECS.get(form.picture.codec, form.picture.codec)
    words = [picture if form.plan.video == COPY else f"{picture} transcoded"]
    if form.audio:
        name = "AAC" if form.plan.audio_version in _AAC else _CODECS.get(form.audio, form.audio)
        name = " ".join([name, "/".join(form.languages)]).strip()
        how = {COPY: "", TRANSCODE: " transcoded"}.get(form.plan.audio, " left out")
        words.append(name + how)
    texts = [text.language or "?" for text in form.choices.subtitles]
    return [*words, f"subtitles {'/'.join(texts)}"] if texts else words


@dataclass
class Findings:
    """What a scan found, collected from its threads."""

    videos: list[_Video] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ready(self, path: str, entry: Entry) -> None:
        """Take a video."""
        with self.lock:
            self.videos.append(_Video(path, entry))

    def skipped(self, path: str, reason: str) -> None:
        """Take a file of no use."""
        with self.lock:
            self.problems[path] = reason

    def as_json(self) -> dict[str, object]:
        """All of it for scripts."""
        problems = sorted(self.problems.items())
        return {
            "videos": [video.as_json() for video in self.videos],
            "skipped": [{"path": printable(path), "reason": reason} for path, reason in problems],
        }


def read(settings: Settings, folder: Path) -> Findings:
    """Scan a folder now, as a service would. Raises SetupError."""
    probers = ProberPool()
    findings = Findings()
    listing = walk(str(folder))
    try:
        scanner = scanner_for(settings, folder, probers)
        unsettled = scanner.scan(listing, findings, progress_for_terminal()).unsettled
        if unsettled:  # perhaps only just copied: one more look
            time.sleep(settings.seconds("Media.SettleSeconds"))
            again = Listing({path: listing.found[path] for path in unsettled})
            unsettled = scanner.scan(again, findings, progress_for_terminal()).unsettled
    finally:
        probers.close()
    for path in unsettled:
        findings.skipped(path, "still being written")
    return findings
