"""A chain of filters on one image, in as few workers as the owners of its code allow.

Steps of one owner run one after another in one worker, on pixels that stay there. Decoding and
encoding are the shipped code's business: a foreign filter sees pixels, never files, so that what
is written to the share is always an image that our own encoder made.
"""

import contextlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from iceflix.farm.filters import library
from iceflix.farm.filters.spec import Value
from iceflix.farm.images.container import BadContainer, Header, is_container, pixels_of, unpack
from iceflix.farm.sandbox.pool import SHIPPED, Pool
from iceflix.farm.sandbox.worker import Answer, Call, Worker, WorkerFailed
from iceflix.runtime.errors import ServiceError

Use = Callable[[Worker], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True)
class Step:
    """One filter, its parameters' values, its code and that code's SHA-256."""

    name: str
    values: Mapping[str, Value]
    code: bytes
    sha256: str

    @property
    def owner(self) -> str:
        """Whose code it is: the project's, or this very file's."""
        return SHIPPED if self.sha256 in library.digests() else self.sha256


class ChainFailed(ServiceError):
    """A chain has no result. ``bad_image``: the image is to blame, not a filter."""

    def __init__(self, sentence: str, bad_image: bool) -> None:
        super().__init__(sentence)
        self.bad_image = bad_image


def run_chain(pool: Pool, steps: Sequence[Step], data: bytes, keep_open: bool, use: Use) -> bytes:
    """Apply the steps to an image's bytes; returns the result's.

    keep_open: make a container, which the next node goes on with, instead of a file. use: a context
    in which each worker is used. Raises ChainFailed; SetupError.
    """
    groups = [(owner, [*group]) for owner, group in itertools.groupby(steps, lambda s: s.owner)]
    if not groups or (groups[0][0] != SHIPPED and not is_container(data)):
        groups.insert(0, (SHIPPED, []))  # which decodes
    if groups[-1][0] != SHIPPED and not keep_open:
        groups.append((SHIPPED, []))  # which encodes
    for position, (owner, group) in enumerate(groups):
        to_file = position == len(groups) - 1 and not keep_open
        segment = _Segment(owner, group, "file" if to_file else "container")
        data = segment.run(pool, data, use)
    return data


@dataclass(frozen=True)
class _Segment:
    """Consecutive steps of one owner, and what shall come out."""

    owner: str
    steps: Sequence[Step]
    result: str

    def run(self, pool: Pool, data: bytes, use: Use) -> bytes:
        """Run it. A worker that somebody else killed is replaced, once. Raises ChainFailed."""
        for attempt in (1, 2):
            try:
                with pool.worker(self.owner) as worker, use(worker):
                    for step in self.steps:
                        worker.load(step.name, step.code, step.sha256)
                    return (
                        self._shipped(worker, data)
                        if self._trusted
                        else self._foreign(worker, data)
                    )
            except WorkerFailed as failure:
                if not (self._trusted and failure.kind == "died") or attempt == 2:
                    raise self._explained(failure) from failure
        raise AssertionError("the second attempt returns or raises")

    @property
    def _trusted(self) -> bool:
        return self.owner == SHIPPED

    def _shipped(self, worker: Worker, data: bytes) -> bytes:
        size = worker.put(data)
        return worker.take(worker.run(Call("file", self._wanted(), self.result, size)))

    def _foreign(self, worker: Worker, data: bytes) -> bytes:
        """Hand over bare pixels, and take no more than pixels back."""
        try:
            header = unpack(data)
        except BadContainer as error:
            raise ChainFailed(f"the intermediate image cannot be used: {error}", True) from error
        given = header.pixels
        size = worker.put(memoryview(data)[header.offset : header.offset + given.size])
        call = Call("pixels", self._wanted(), "pixels", size, given.shape, given.dtype)
        answer = worker.run(call)
        try:
            return _described(answer, header) + worker.take(answer)
        except BadContainer as error:
            stage = len(self.steps)
            raise WorkerFailed("filter", f"answered falsely: {error}", stage, lost=True) from error

    def _wanted(self) -> list[tuple[str, Mapping[str, object]]]:
        return [(step.sha256, step.values) for step in self.steps]

    def _explained(self, failure: WorkerFailed) -> ChainFailed:
        """A sentence that names the filter, or decoding, or encoding."""
        if failure.kind == "image":
            return ChainFailed(f"the image {failure}", True)
        if failure.kind in ("filter", "limit") and not failure.lost:
            return ChainFailed(f"the filter {failure}", False)
        if not failure.stage:
            # Foreign code runs for the first time while it is loaded, before any stage.
            if self._trusted:
                return ChainFailed(f"decoding the image {failure}", True)
            return ChainFailed(f"the filter {self.steps[0].name} {failure}", False)
        if failure.stage > len(self.steps):
            return ChainFailed(f"encoding the result {failure}", False)
        return ChainFailed(f"the filter {self.steps[failure.stage - 1].name} {failure}", False)


def _described(answer: Answer, header: Header) -> bytes:
    """The header of what a foreign worker made. Raises BadContainer if its description is false."""
    pixels = pixels_of(answer.shape, answer.dtype)
    if pixels.size != answer.size:
        raise BadContainer("its size is not that of its shape")
    return Header(pixels, header.origin).pack()
