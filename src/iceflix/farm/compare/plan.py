"""What is measured: the work, and what one engine's run at it gave. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

CHAIN = ("contrast:factor=1.2", "blur:radius=2", "sharpen", "gray", "resize:scale=0.5")
LOADS = ("large", "small", "tiny")
TROUBLE = "trouble"
ENGINES = ("pool", "A", "B", "dask")
WORKERS = 2
WINDOW = 8  # images under way at once, as `iceflix filter` has them


@dataclass(frozen=True)
class Load:
    """So many images of so many pixels."""

    name: str
    count: int
    width: int
    height: int

    @property
    def images(self) -> list[str]:
        """Their names, the same in every run."""
        return [f"{self.name}{number:03d}.jpg" for number in range(self.count)]

    @property
    def title(self) -> str:
        """For people: ``20 x 12 MP``."""
        return f"{self.count} x {self.width * self.height / 1e6:.3g} MP"


@dataclass(frozen=True)
class Workload:
    """Large and small images in bulk; tiny ones, one after the other."""

    large: Load
    small: Load
    tiny: Load
    rounds: int


FULL = Workload(
    Load("large", 20, 4000, 3000), Load("small", 200, 1155, 866), Load("tiny", 50, 160, 120), 5
)
QUICK = Workload(
    Load("large", 8, 4000, 3000), Load("small", 80, 1155, 866), Load("tiny", 20, 160, 120), 2
)


@dataclass(frozen=True)
class Run:
    """What one engine made of one load. Seconds and bytes.

    ``digest`` is of all results, in order; ``latencies`` of each image, from handing it in to its
    result, sorted; ``read`` and ``written``: to files and pipes, by all its processes; ``sent``:
    over TCP; -1 where it cannot be told. ``failed``: images without a result.
    """

    # pylint: disable=too-many-instance-attributes  # a table's row

    seconds: float
    latencies: tuple[float, ...]
    cpu: float
    read: int
    written: int
    sent: int
    failed: int
    digest: str

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Run":
        """Out of what ``as_dict`` gave."""
        return cls(**{**found, "latencies": tuple(found["latencies"])})

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Order:
    """What a driver process shall measure, and where the images lie."""

    engine: str
    folder: str
    workload: Workload

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Order":
        """Out of what ``as_dict`` gave."""
        load = found["workload"]
        loads = {name: Load(**load[name]) for name in ("large", "small", "tiny")}
        workload = Workload(**loads, rounds=load["rounds"])
        return cls(found["engine"], found["folder"], workload)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Report:
    """An engine's runs of one round by name: large, small, tiny; in the last: killed, frozen."""

    engine: str
    runs: Mapping[str, Run]
