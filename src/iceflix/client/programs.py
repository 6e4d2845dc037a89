"""Programs of the user's choice that play for us: found, started, ended."""

import os
import shutil
import subprocess
from collections.abc import Sequence

from iceflix.client.sentences import ClientError, say

_CLOSE_SECONDS = 3.0


def check(words: Sequence[str]) -> None:
    """Make sure that the program is installed. Raises ClientError."""
    name = words[0] if words else ""
    if shutil.which(name) is None:
        text = "The program “{name}” is not installed here; choose another with --player."
        raise ClientError(say(text, name=name))


def start(words: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Start it; it reads and writes nothing here. Raises ClientError."""
    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us: we end it
        )
    except OSError as error:
        text = "{name} does not start: {reason}."
        reason = os.strerror(error.errno or 0)
        raise ClientError(say(text, name=words[0], reason=reason)) from error


def end(process: "subprocess.Popen[bytes]") -> None:
    """End it, if need be the hard way."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_CLOSE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
