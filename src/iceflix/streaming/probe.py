"""The reader of unknown files, a process of its own: ``python -m iceflix.streaming.probe``.

Paths come in on standard input, one JSON string a line; for each, one JSON object goes out:
``{"format": {...}}`` or ``{"problem": "words", "lasting": true}``. A file that crashes or hangs the
decoders takes this process with it, not the service.
"""

import json
import os
import sys
import time
from collections.abc import Iterable
from typing import Any, TextIO

from iceflix.runtime.process import become_helper
from iceflix.streaming import gst
from iceflix.streaming.discovery import discover
from iceflix.streaming.library import Format
from iceflix.streaming.plans import COPY, Plan, candidates, is_container, launch
from iceflix.streaming.sdp import Track, track_from_caps
from iceflix.streaming.sender import MediaError

_HEAD_BYTES = 65536
_DISCOVERY_SECONDS = 15.0
_TRIAL_SECONDS = 10.0
_AUDIO_SECONDS = 2.0  # how much longer than the picture the sound may take to appear
_PACKETS_CHECKED = 50
_NICENESS = 5
_SINK = "fakesink sync=false async=false"


class NotVideo(MediaError):
    """The file is something else; that will not change while its bytes do not."""


def examine(path: str) -> Format:
    """Find out what a file holds and how to play it. Raises NotVideo, MediaError or OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        container = gst.media_type(os.pread(handle, _HEAD_BYTES, 0)) or "unknown"
        if not is_container(container):
            raise NotVideo(f"not a video ({container})")
        # A name of our own: the file's may be anything, GStreamer's is UTF-8 only.
        return _examine_container(f"/proc/self/fd/{handle}", container)
    finally:
        os.close(handle)


def _examine_container(location: str, container: str) -> Format:
    found = discover(location, container, _DISCOVERY_SECONDS)
    reasons = []
    for plan in candidates(found.content):
        try:
            tracks = trial(plan, location)
        except MediaError as error:
            reasons.append(str(error))
            continue
        return Format(
            container,
            found.picture,
            found.content.audio,
            found.duration_seconds,
            plan,
            tracks,
            found.choices,
        )
    raise NotVideo("; ".join(dict.fromkeys(reasons)))


def trial(plan: Plan, location: str) -> tuple[Track, ...]:
    """Run a plan without a network until every track is known; returns the tracks, video first.

    Raises MediaError when the plan does not work for this file.
    """
    pipeline = gst.Pipeline(launch(plan, _SINK, _SINK), location)
    packets = {True: 0, False: 0}  # with and without a presentation time

    def count(timed: bool) -> bool:
        packets[timed] += 1
        return sum(packets.values()) < _PACKETS_CHECKED

    try:
        pipeline.on_output("video", count)
        pipeline.play()
        _await_tracks(pipeline, plan, packets)
        if packets[False] and plan.video == COPY:
            raise MediaError("its pictures carry no presentation times")
        found = [pipeline.caps("video"), pipeline.caps("audio") if plan.audio else None]
    finally:
        pipeline.close()
    if found[0] is None or (plan.audio and found[1] is None):
        raise MediaError("no picture comes out" if found[0] is None else "no sound comes out")
    try:
        return tuple(track_from_caps(caps) for caps in found if caps is not None)
    except ValueError as error:
        raise MediaError(str(error)) from None


def _await_tracks(pipeline: gst.Pipeline, plan: Plan, packets: dict[bool, int]) -> None:
    deadline = time.monotonic() + _TRIAL_SECONDS
    complete = False
    while time.monotonic() < deadline:
        said = pipeline.wait(0.01)
        if said is not None and said.kind == "error":
            raise MediaError(said.text)
        if said is not None:
            return
        if not complete and pipeline.caps("video") is not None:
            complete = True
            deadline = min(deadline, time.monotonic() + _AUDIO_SECONDS)
        heard = not plan.audio or pipeline.caps("audio") is not None
        if complete and heard and sum(packets.values()) >= _PACKETS_CHECKED:
            return


def serve(requests: Iterable[str], replies: TextIO) -> None:
    """Answer until there are no more requests."""
    for line in requests:
        try:
            reply: dict[str, Any] = {"format": examine(json.loads(line)).as_json()}
        except NotVideo as error:
            reply = {"problem": str(error), "lasting": True}
        except (MediaError, OSError) as error:
            # A missing decoder may be installed, a disk may recover: not kept for ever.
            reply = {"problem": str(error), "lasting": False}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def main() -> None:
    """Be the process: private reply channel, low priority, gone when its parent is."""
    become_helper()
    os.nice(_NICENESS)
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what decoders print must not mix in
    gst.require()
    serve(sys.stdin, replies)


if __name__ == "__main__":
    main()
