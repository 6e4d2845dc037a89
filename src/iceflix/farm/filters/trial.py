"""Filters tried out on this machine, in the sandbox that nodes use, before anyone deploys them."""

import contextlib
import hashlib
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from iceflix.farm.filters import library, parse
from iceflix.farm.filters.catalogue import read_code
from iceflix.farm.filters.spec import FilterSpec, Value, read_spec
from iceflix.farm.images.container import Header, Origin, Pixels
from iceflix.farm.sandbox.chain import ChainFailed, Step, run_chain
from iceflix.farm.sandbox.limits import Limits
from iceflix.farm.sandbox.pool import Pool
from iceflix.runtime.errors import InvalidRequest

# What every filter should be able to take: name, shape, type.
PICTURES = (
    ("a colour picture", (48, 64, 3), "uint8"),
    ("a gray picture", (48, 64), "uint8"),
    ("a transparent picture", (48, 64, 4), "uint8"),
    ("a picture of 16 bits", (48, 64, 3), "uint16"),
    ("a picture of one pixel", (1, 1, 3), "uint8"),
)


@dataclass(frozen=True)
class Found:
    """A filter's file and what it says about itself."""

    spec: FilterSpec
    code: bytes

    def step(self, values: dict[str, Value]) -> Step:
        """A step with these values of its parameters."""
        return Step(self.spec.name, values, self.code, hashlib.sha256(self.code).hexdigest())


def find(name: str, folder: Path) -> Found:
    """A filter by name, of the farm's folder or shipped, or by its file's path. InvalidRequest."""
    if name.endswith(".py"):
        path = Path(name)
        try:
            code = read_code(path.parent, path.stem)
        except OSError as error:
            raise InvalidRequest(f"{name} cannot be read: {error.strerror}") from error
        return Found(read_spec(path.stem, code), code)
    with contextlib.suppress(OSError):
        code = read_code(folder, parse.parse_filter(name).name)
        return Found(read_spec(name, code), code)
    code = library.code(name)
    return Found(read_spec(name, code), code)


def find_step(text: str, folder: Path) -> tuple[Step, parse.Step]:
    """A step from ``blur:radius=4`` or ``./mine.py:radius=4``, and what was typed.

    Raises InvalidRequest.
    """
    name, colon, rest = text.strip().partition(":")
    found = find(name.strip(), folder)
    typed = parse.parse_filter(f"{found.spec.name}{colon}{rest}")
    return found.step(found.spec.values(typed.parameters)), typed


class Trial:
    """A sandboxed worker or two, for as long as this context lasts."""

    def __init__(self, limits: Limits) -> None:
        self._pool = Pool(limits, 1)

    def __enter__(self) -> "Trial":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.stop()

    def run(self, steps: list[Step], data: bytes, keep_open: bool = False) -> bytes:
        """Apply the steps. Raises ChainFailed; SetupError."""
        return run_chain(
            self._pool, steps, data, keep_open, lambda worker: contextlib.nullcontext()
        )

    def timed(self, steps: list[Step], data: bytes, rounds: int) -> tuple[bytes, float]:
        """The result, and the median time in seconds once the workers are warm."""
        result = self.run(steps, data)
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            self.run(steps, data)
            times.append(time.perf_counter() - began)
        return result, statistics.median(times)


def check(found: Found, limits: Limits) -> Iterator[tuple[bool, str]]:
    """Try a filter on every kind of picture: whether it went well, and a sentence for each."""
    defaults = found.spec.values({})
    with Trial(replace(limits, seconds=min(limits.seconds, 5.0))) as trial:
        for name, shape, dtype in PICTURES:
            yield _attempt(trial, found.step(defaults), name, _picture(shape, dtype))
        name, shape, dtype = PICTURES[0]
        for parameter in found.spec.parameters:
            for value in parameter.bounds or parameter.words:
                chosen = parameter.kind(value)
                step = found.step({**defaults, parameter.name: chosen})
                yield _attempt(
                    trial, step, f"{name} with {parameter.name}={chosen}", _picture(shape, dtype)
                )


def _attempt(trial: Trial, step: Step, name: str, data: bytes) -> tuple[bool, str]:
    try:
        first, second = (trial.run([step], data, keep_open=True) for _ in range(2))
    except ChainFailed as error:
        return False, f"{name}: {error}"
    if first != second:
        return False, f"{name}: the result is not the same each time; a filter must be pure"
    return True, f"{name}: good"


def _picture(shape: tuple[int, ...], dtype: str) -> bytes:
    """A picture that is the same each time, as a container."""
    header = Header(Pixels(shape, dtype), Origin("PNG", gray=len(shape) == 2))
    noise = hashlib.shake_256(b"picture").digest(header.pixels.size)
    return header.pack() + noise
