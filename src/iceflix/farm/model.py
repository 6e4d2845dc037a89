"""What the farm's messages hold, as values: the structures of farm.ice without Ice.

The ring's state machine and the multiserver's books work on these; ``farm.wire`` translates.
Times are seconds, sizes bytes. Field for field they are what the contract fixes.
"""

# pylint: disable=too-many-instance-attributes  # the contract fixes the structures

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Step:
    """One filter with its parameters."""

    filter: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeLoad:
    """What a node measured of itself: ``cpu_free`` in processors' worth (F32)."""

    node: str
    cpu_free: float = 1.0
    free_bytes: int = 1 << 30
    running: int = 0
    slots: int = 1
    hop_seconds: float = 0.0


@dataclass(frozen=True)
class Task:
    """Work for one node: consecutive steps of one job. ``task`` is <job>/<step>/<attempt>."""

    task: str
    multiserver: str = ""
    node: str = ""
    source: str = ""
    target: str = ""
    steps: tuple[Step, ...] = ()
    filter_sha256: tuple[str, ...] = ()
    lease_seconds: float = 0.0


def job_of(task: str) -> str:
    """The job that a task, named as above, is a part of."""
    return task.rsplit("/", 2)[0]


@dataclass(frozen=True)
class Completion:
    """What became of a task; ``reason`` as in ``contract.reasons``, empty when good."""

    task: str
    multiserver: str = ""
    node: str = ""
    good: bool = True
    reason: str = ""
    detail: str = ""
    produced: str = ""
    source_sha256: str = ""
    result_sha256: str = ""
    seconds: float = 0.0
    filter_sha256: tuple[str, ...] = ()


@dataclass(frozen=True)
class FilterCode:
    """System B: the filter that a ring runs; the signature is over name and code."""

    name: str
    sha256: str = ""
    code: bytes = b""
    signature: bytes = b""


@dataclass(frozen=True)
class Token:
    """The token. Of two, the one with the greater ``key`` is valid, then the one passed on more."""

    ring: str
    epoch: int = 0
    master: str = ""
    passes: int = 0
    members: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()
    loads: tuple[NodeLoad, ...] = ()
    assignments: tuple[Task, ...] = ()
    running: tuple[str, ...] = ()
    completions: tuple[Completion, ...] = ()
    filter: tuple[FilterCode, ...] = ()
    idle_turns: int = 0
    maker: str = ""

    @property
    def key(self) -> tuple[int, str]:
        """What orders tokens: the epoch, then who raised it."""
        return (self.epoch, self.maker)


@dataclass(frozen=True)
class RingReport:
    """What a ring's master tells a multiserver."""

    ring: str
    master: str = ""
    epoch: int = 0
    filter: str = ""
    filter_sha256: str = ""
    nodes: tuple[NodeLoad, ...] = ()
    running: tuple[str, ...] = ()
    completed: tuple[Completion, ...] = ()
    failed_nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """A request: one image and the chain of filters. ``deadline_seconds`` from submission."""

    job: str
    image: str
    steps: tuple[Step, ...]
    deadline_seconds: float = 60.0


@dataclass(frozen=True)
class JobResult:
    """Where the result is and what it was made of."""

    image: str
    seconds: float
    source_sha256: str = ""
    result_sha256: str = ""
    filter_sha256: tuple[str, ...] = ()
    node: str = ""
