"""What the tests of the workshop share: images, steps, waiting for one result."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

import hashlib
import itertools
import queue
import tempfile
from pathlib import Path

import cv2
import numpy as np

from iceflix.farm.filters import library
from iceflix.farm.filters.parse import parse_chain
from iceflix.farm.model import Completion
from iceflix.farm.workshop import CodeStep, Work, Workshop
from tests.golden.make import apply_here, source

_numbers = itertools.count()


def code(body: str, before: str = "") -> bytes:
    """A filter's file with this body."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f'import numpy as np\n{before}\ndef apply(image):\n    """Do."""\n{lines}\n'.encode()


def step(name: str, source_code: bytes) -> CodeStep:
    """A step with code of one's own."""
    return CodeStep(name, {}, source_code, hashlib.sha256(source_code).hexdigest())


def shipped(chain: str) -> tuple[CodeStep, ...]:
    """The steps of a chain of shipped filters."""
    return tuple(
        CodeStep(name, given, library.code(name), hashlib.sha256(library.code(name)).hexdigest())
        for name, given in parse_chain(chain)
    )


def do(workshop: Workshop, work: Work, seconds: float = 30.0) -> Completion:
    """Have a task done."""
    results: queue.SimpleQueue[Completion] = queue.SimpleQueue()
    workshop.submit(work, results.put)
    return results.get(timeout=seconds)


def work_of(source_path: str, steps: tuple[CodeStep, ...], target: str = "out.png") -> Work:
    """A task with a name of its own."""
    return Work(f"job{next(_numbers)}/0/1", source_path, target, steps)


def put_image(folder: Path, name: str = "cat.png", image: np.ndarray | None = None) -> Path:
    """Write the test picture."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), source() if image is None else image)
    return path


def open_to_all(folder: Path) -> None:
    """Let every user of this machine enter a temporary folder."""
    top = Path(tempfile.gettempdir())
    for place in (folder, *folder.parents):
        if place != top and place.is_relative_to(top):
            place.chmod(0o755)


def load_image(path: Path) -> np.ndarray:
    """Read a picture as it is."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return np.asarray(image)


def reference(chain: str, image: np.ndarray | None = None) -> np.ndarray:
    """What a chain makes of the test picture, in this process."""
    result = source() if image is None else image
    for one in parse_chain(chain):
        result = apply_here(one, result)
    return result
