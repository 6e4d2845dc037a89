"""The program that runs inside a sandbox: filters and codecs, at its host's command.

It talks over one socket pair (JSON messages, one a packet) and one piece of shared memory, the
arena, through which files and pixels pass without copies through a pipe. Everything that a filter
could reach from here is this process, which shares its memory with nobody but the host's arena.

Requests have "seconds", the processor time that they may take, and
           {"load": sha256, "name": str, "size": bytes of code in the arena}
           {"input": "file" | "pixels", "size": n, "shape": [...], "dtype": str,
            "steps": [{"sha256": str, "values": {...}}, ...], "output": "file" | "container" |
            "pixels"}
Replies:   {"stage": i} before each stage (0 decodes, 1.. are steps, the last encodes), then
           {"size": n, "shape": [...], "dtype": str}, or {"error": kind, "text": sentence's rest}.
"""
# pylint: disable=no-member  # the functions of cv2 live in its binary

import contextlib
import ctypes
import importlib
import json
import math
import mmap
import os
import resource
import signal
import socket
import struct
import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image as PillowImage

from iceflix.farm.images import codec
from iceflix.farm.images.container import (
    BadContainer,
    Header,
    Origin,
    Pixels,
    is_container,
    pixels_of,
    unpack,
)

MAX_MESSAGE = 128 * 1024
MAX_TEXT = 300
_PDEATHSIG, _NO_NEW_PRIVILEGES, _SECCOMP, _SECCOMP_FILTER = 1, 38, 22, 2
_BASE_MEMORY = 400 * 1024 * 1024  # address space of interpreter and libraries; 310 measured
_MAX_FILES = 64
# What filters import most; where no file can be opened, it has to be there already.
_PRELOADED = (
    "collections functools itertools math operator random statistics string typing dataclasses "
    "enum colorsys fractions decimal numpy.fft numpy.linalg numpy.polynomial numpy.random numpy.ma"
)

Image = np.ndarray


class Refused(Exception):
    """A stage failed; ``kind`` is "image", "filter" or "limit"."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True)
class Filter:
    """A filter's function, loaded; whole: it wants the transparency as well."""

    name: str
    function: Callable[..., object]
    whole: bool

    @classmethod
    def load(cls, name: str, code: bytes) -> "Filter":
        """Run a filter's file. Raises Refused."""
        module = types.ModuleType(name)
        with _reasons(name):
            # The very purpose of this process, which can do nothing but that.
            exec(compile(code, _file(name), "exec"), module.__dict__)  # noqa: S102  # pylint: disable=exec-used
            return cls(name, module.__dict__["apply"], module.__dict__.get("WHOLE") is True)

    def apply(self, image: Image, values: Mapping[str, object], pixels: int) -> Image:
        """Apply it. Raises Refused, also for a result that is no picture or has more pixels."""
        clear = None
        if image.ndim == 3 and image.shape[2] == 4 and not self.whole:
            clear = image[:, :, 3]
            image = np.ascontiguousarray(image[:, :, :3])
        with _reasons(self.name):
            result = self.function(image, **values)
        checked = _checked(self.name, result, pixels)
        return checked if clear is None else _joined(self.name, checked, clear)


def _checked(name: str, result: object, pixels: int) -> Image:
    if not isinstance(result, np.ndarray):
        raise Refused("filter", f"{name} returned {type(result).__name__}, not a NumPy array")
    result = np.asarray(result)
    if result.dtype not in (np.uint8, np.uint16):
        raise Refused(
            "filter",
            f"{name} returned numbers of type {result.dtype}; "
            "it must return uint8 or uint16, for example by .astype(image.dtype)",
        )
    if result.ndim == 3 and result.shape[2] == 1:
        result = result[:, :, 0]
    if result.ndim not in (2, 3) or (result.ndim == 3 and result.shape[2] not in (3, 4)):
        raise Refused("filter", f"{name} returned an array of shape {result.shape}")
    if not result.size:
        raise Refused("filter", f"{name} returned a picture without pixels")
    rows, columns = result.shape[:2]
    if rows * columns > pixels:
        raise Refused(
            "limit",
            f"{name} returned {columns} x {rows} pixels; at most {pixels} in all are allowed",
        )
    return result


def _joined(name: str, result: Image, clear: Image) -> Image:
    """Give a result its transparency back. Raises Refused when the size has changed."""
    if result.shape[:2] != clear.shape:
        raise Refused(
            "filter",
            f"{name} changed the size of a picture with transparency; "
            "its file must say WHOLE = True",
        )
    if result.ndim == 2:
        result = np.repeat(result[:, :, None], 3, axis=2)
    if result.dtype != clear.dtype:
        eight = result.dtype == np.uint8
        clear = (clear >> 8).astype(np.uint8) if eight else clear.astype(np.uint16) * 257
    return np.dstack((result[:, :, :3], clear))


@contextlib.contextmanager
def _reasons(name: str) -> Iterator[None]:
    """Turn whatever a filter raises into Refused, with the line where it did."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001  # pylint: disable=broad-exception-caught
        if isinstance(error, MemoryError) or "Insufficient memory" in str(error):
            raise Refused("limit", f"{name} needs more memory than is allowed") from None
        line, trace = 0, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == _file(name):
                line = trace.tb_lineno
            trace = trace.tb_next
        text = " ".join(str(error).split())[:MAX_TEXT]
        where = f" in line {line}" if line else ""
        reason = f"{name} raised {type(error).__name__}{where}"
        raise Refused("filter", f"{reason}: {text}" if text else reason) from None


class Guest:
    """The worker's state: its arena and the filters that it has loaded."""

    def __init__(self, channel: socket.socket, arena: mmap.mmap, bounds: codec.Bounds) -> None:
        self._channel = channel
        self._arena = arena
        self._bounds = bounds
        self._filters: dict[str, Filter] = {}

    def serve(self) -> None:
        """Answer requests until the host goes away."""
        while True:
            message = self._channel.recv(MAX_MESSAGE)
            if not message:
                return
            try:
                reply = self.answer(json.loads(message))
            except Refused as refusal:
                reply = {"error": refusal.kind, "text": str(refusal)}
            except MemoryError:
                reply = {"error": "limit", "text": "more memory is needed than is allowed"}
            self._channel.send(json.dumps(reply).encode("ascii"))

    def answer(self, request: dict[str, Any]) -> dict[str, object]:
        """Do what a request asks for; returns the reply. Raises Refused."""
        spent = math.ceil(time.process_time())
        resource.setrlimit(resource.RLIMIT_CPU, (spent + request["seconds"], -1))
        if "load" in request:
            code = self._arena[: request["size"]]
            self._filters[request["load"]] = Filter.load(request["name"], code)
            return {}
        steps = request["steps"]
        image, origin = self._input(request)
        for number, step in enumerate(steps, start=1):
            self._stage(number)
            wanted = self._filters[step["sha256"]]
            image = wanted.apply(image, step["values"], self._bounds.pixels)
        self._stage(len(steps) + 1)
        return self._output(request["output"], np.ascontiguousarray(image), origin)

    def _stage(self, number: int) -> None:
        self._channel.send(b'{"stage": %d}' % number)

    def _input(self, request: dict[str, Any]) -> tuple[Image, Origin]:
        self._stage(0)
        data = memoryview(self._arena)[: request["size"]]
        if request["input"] == "pixels":
            pixels = pixels_of(request["shape"], request["dtype"])
            return self._view(pixels, 0), Origin("")
        try:
            if not is_container(data):
                return codec.decode(data, self._bounds)
            header = unpack(data)
        except (codec.UnusableImage, BadContainer) as error:
            raise Refused("image", str(error)) from error
        if math.prod(header.pixels.shape[:2]) > self._bounds.pixels:
            raise Refused(
                "image", f"is too large; at most {self._bounds.pixels} pixels are allowed"
            )
        return self._view(header.pixels, header.offset), header.origin

    def _output(self, kind: str, image: Image, origin: Origin) -> dict[str, object]:
        pixels = Pixels(image.shape, str(image.dtype))
        if kind == "file":
            try:
                encoded = codec.encode(image, origin)
            except codec.UnusableImage as error:
                raise Refused("image", f"was filtered, but {error}") from error
            if len(encoded) > len(self._arena):
                raise Refused("limit", "the result's file would be too large")
            self._arena[: len(encoded)] = encoded
            return {"size": len(encoded)}
        start = b"" if kind == "pixels" else Header(pixels, origin).pack()
        if len(start) + pixels.size > len(self._arena):
            raise Refused("limit", "the result has more pixels than are allowed")
        np.copyto(self._view(pixels, len(start)), image)  # knows what to do when both overlap
        self._arena[: len(start)] = start
        return {"size": len(start) + pixels.size, "shape": pixels.shape, "dtype": pixels.dtype}

    def _view(self, pixels: Pixels, offset: int) -> Image:
        count = math.prod(pixels.shape)
        flat: Image = np.frombuffer(self._arena, pixels.dtype, count, offset)
        return flat.reshape(pixels.shape)


def _file(name: str) -> str:
    return f"<filter {name}>"


def main(arguments: list[str]) -> None:
    """Shut itself in and serve; the argument is a JSON object, see worker.py."""
    setting = json.loads(arguments[0])
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if not setting["sandboxed"] and os.getppid() != setting["parent"]:
        sys.exit(1)  # the host died before that
    cv2.setNumThreads(1)  # more gain nothing and could not be made
    cv2.ocl.setUseOpenCL(False)
    PillowImage.init()
    for name in _PRELOADED.split():
        importlib.import_module(name)
    channel = socket.socket(fileno=setting["channel"])
    arena = mmap.mmap(setting["arena"], setting["arena_bytes"])
    with open(setting["seccomp"], "rb") as file:  # noqa: PTH123
        program = file.read()
    os.close(setting["arena"])
    _limit(setting["memory_bytes"] + setting["arena_bytes"] + _BASE_MEMORY)
    os.dup2(0, 1)
    os.dup2(0, 2)
    _shut(libc, program)
    bounds = codec.Bounds(setting["pixels"], setting["keep_metadata"])
    channel.send(b'{"ready": true}')
    Guest(channel, arena, bounds).serve()


def _limit(memory: int) -> None:
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_NOFILE: _MAX_FILES,
        resource.RLIMIT_NPROC: 0,
    }
    for what, limit in limits.items():
        _, hard = resource.getrlimit(what)
        least = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (least, least))


def _shut(libc: ctypes.CDLL, program: bytes) -> None:
    """Install the filter of system calls; there is no way back. Raises OSError."""
    code = ctypes.create_string_buffer(program)
    fprog = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(
        _SECCOMP, _SECCOMP_FILTER, fprog, 0, 0
    ):
        raise OSError(ctypes.get_errno(), "the filter of system calls cannot be installed")


if __name__ == "__main__":
    main(sys.argv[1:])
