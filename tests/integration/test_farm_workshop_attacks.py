"""Filters that mean harm, in real sandboxes: each fails its own request, with the reason."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from iceflix.farm.images.folder import FolderStore
from iceflix.farm.sandbox import bubblewrap
from iceflix.farm.sandbox.limits import FULL, REDUCED, Limits
from iceflix.farm.workshop import Workshop
from iceflix.runtime.errors import SetupError
from tests.integration.farm_workshop import (
    code,
    do,
    load_image,
    open_to_all,
    put_image,
    reference,
    shipped,
    step,
    work_of,
)

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
LIMITS = {
    kind: Limits(seconds=1.5, megabytes=200, pixels=1_000_000, file_bytes=8_000_000, isolation=kind)
    for kind in (FULL, REDUCED)
}


@pytest.fixture(name="share", scope="module")
def share_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared folder, with a picture."""
    folder = tmp_path_factory.mktemp("share")
    put_image(folder)
    return folder


@pytest.fixture(name="workshops", scope="module")
def workshops_fixture(share: Path) -> Iterator[dict[str, Workshop]]:
    """Workshops of one slot, with bubblewrap and without."""
    both = {kind: Workshop(FolderStore(str(share)), limits, 1) for kind, limits in LIMITS.items()}
    yield both
    for workshop in both.values():
        workshop.stop()


@pytest.fixture(name="workshop", params=[FULL, REDUCED])
def workshop_fixture(workshops: dict[str, Workshop], request: pytest.FixtureRequest) -> Workshop:
    """Each of them."""
    return workshops[request.param]


def answering(text: str) -> bytes:
    """A filter that answers in the worker's place, on whatever descriptor that may be."""
    return code(
        "import os\n"
        "for number in range(3, 1024):\n"
        f"    try: os.write(number, b'{text}')\n"
        "    except OSError: pass\n"
        "return image"
    )


# name -> code, what the reason says
ATTACKS = {
    "raises": (code("raise ValueError('no \\x1b[31mluck')"), "raised ValueError in line 5: no"),
    "leaves": (code("raise SystemExit(0)"), "raised SystemExit"),
    "interrupts": (code("raise KeyboardInterrupt"), "raised KeyboardInterrupt"),
    "loops": (code("while True: pass"), "took (longer than 1.5 s|more processor time)"),
    "loops_in_c": (code("import re; re.match('(a+)+b', 'a' * 40); return image"), "took"),
    "loops_at_load": (code("return image", "while True: pass"), "took"),
    "sleeps": (code("import time; time.sleep(60)"), "took longer than 1.5 s"),
    "allocates": (code("return np.ones(10 ** 9)"), "needs more memory than is allowed"),
    "hoards": (
        code("kept = []\nwhile True: kept.append(np.empty(10 ** 7))"),
        "needs more memory than is allowed",
    ),
    "hoards_shared": (
        code("import mmap\nkept = [mmap.mmap(-1, 10 ** 8) for _ in range(99)]"),
        "raised OSError|needs more memory",
    ),
    "kills_itself": (
        code("import os, signal; os.kill(os.getpid(), signal.SIGKILL); return image"),
        "raised PermissionError",
    ),
    "exits": (code("import os; os._exit(0)"), "ended its process"),
    "crashes": (code("import ctypes; ctypes.string_at(8)"), "crashed|raised"),
    "aborts": (code("import os; os.abort()"), "crashed|was killed"),
    "forks": (code("import os\nwhile True: os.fork()"), "raised (PermissionError|BlockingIO)"),
    "threads": (
        code("import threading\nthreading.Thread(target=print).start()"),
        "raised RuntimeError",
    ),
    "runs": (code("import os; os.execv('/bin/sh', ['sh'])"), "raised"),
    "spawns": (code("import subprocess; subprocess.run(['/bin/true'])"), "raised"),
    "connects": (code("import socket; socket.create_connection(('127.0.0.1', PORT))"), "raised"),
    "listens": (code("import socket; socket.socket()"), "raised PermissionError"),
    "writes": (code("open('/tmp/evil', 'w')"), "raised"),
    "writes_here": (code("open('evil', 'w')"), "raised"),
    "writes_itself": (code("import numpy; open(numpy.__file__, 'a')"), "raised"),
    "reads": (code("open('/etc/passwd').read()"), "raised (FileNotFound|Permission)Error"),
    "reads_home": (code("import os; os.listdir('/root')"), "raised (FileNotFound|Permission)Error"),
    "reads_processes": (
        code("open('/proc/self/environ').read()"),
        "raised (FileNotFound|Permission)Error",
    ),
    "makes_memory": (code("import os; os.memfd_create('x')"), "raised PermissionError"),
    "signals": (code("import os; os.kill(-1, 9)"), "raised PermissionError"),
    "traces": (
        code("import ctypes\nif ctypes.CDLL(None).ptrace(0, 0, 0, 0): raise OSError('refused')"),
        "raised",
    ),
    "raises_limits": (
        code("import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1)); return image"),
        "raised",
    ),
    "enlarges": (code("return np.zeros((2000, 2000), np.uint8)"), "2000 x 2000 pixels; at most"),
    "returns_nothing": (code("pass"), "returned NoneType, not a NumPy array"),
    "returns_floats": (code("return image / 2"), "returned numbers of type float64"),
    "returns_a_line": (code("return image[0, :3]"), "returned an array of shape"),
    "returns_emptiness": (code("return image[:0]"), "a picture without pixels"),
    "has_no_apply": (code("return image", "def x(): pass") + b"del apply\n", "raised KeyError"),
    **{
        f"answers_{name}": (answering(text), "sense|falsely|was killed|shape")
        for name, text in {
            "falsely": '{"size": 10000000000}',
            "infinitely": '{"stage": 1e999}',
            "with_infinity": '{"size": Infinity}',
            "deeply": "[" * 60_000,
            "rubbish": "\\xff[[[",
            "with_a_list": "[1]",
            "with_odd_pixels": '{"size": 12, "shape": [2, 2, 3], "dtype": ["uint8"]}',
            "with_other_pixels": '{"size": 12, "shape": [2000, 2000], "dtype": "uint8"}',
        }.items()
    },
    "stages_forever": (
        code(
            "import os\n"
            "while True:\n"
            "    for number in range(3, 9):\n"
            "        try: os.write(number, b'{\"stage\": 1}')\n"
            "        except OSError: pass\n"
        ),
        "make no sense|makes no sense|took",
    ),
}


# Without bubblewrap: those against which other things protect.
WITHOUT = (
    *("raises", "loops", "hoards", "forks", "connects", "writes", "reads", "reads_processes"),
    *("signals", "raises_limits"),
)


@pytest.mark.parametrize(
    ("kind", "name"), [*((FULL, name) for name in ATTACKS), *((REDUCED, name) for name in WITHOUT)]
)
def test_an_attack_fails_its_own_request(
    workshops: dict[str, Workshop], share: Path, kind: str, name: str
) -> None:
    """F46: false with a reason; the next one's result is right."""
    workshop = workshops[kind]
    attack, reason = ATTACKS[name]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1]).encode()
        steps = (*shipped("gray"), step(name, attack.replace(b"PORT", port)))
        result = do(workshop, work_of("cat.png", steps))
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert (result.good, result.reason) == (False, "FALLO_DE_FILTRO"), result
    assert name in result.detail
    assert result.detail.isprintable()
    assert re.search(reason, result.detail), result.detail
    after = do(workshop, work_of("cat.png", shipped("blur")))
    assert after.good, after
    assert np.array_equal(load_image(share / "out.png"), reference("blur"))
    assert not Path("/tmp/evil").exists()


HARMLESS = {
    "prints": code(
        "print('x' * 10 ** 6)\nimport sys; sys.stderr.write('y' * 10 ** 6)\nreturn image"
    ),
    "writes_to_descriptors": code("import os; os.write(1, b'z' * 10 ** 6); return image"),
    "catches": code("try: open('/etc/passwd')\nexcept OSError: return image"),
    "imports": code("import math, random, numpy.linalg; return image + 0 * int(math.pi)"),
    "returns_a_view": code("return image[:, ::-1]"),
    "changes_its_input": code("image[:] = 0; return image"),
}


@pytest.mark.parametrize("name", list(HARMLESS))
def test_what_is_odd_but_allowed_works(workshop: Workshop, name: str) -> None:
    """print() cannot corrupt an answer."""
    result = do(workshop, work_of("cat.png", (step(name, HARMLESS[name]),)))
    assert result.good, result


def test_what_a_filter_does_to_numpy_stays_with_it(workshop: Workshop, share: Path) -> None:
    """Neither shipped filters nor another's see a patched NumPy, cv2 or interpreter."""
    patch = code(
        "import cv2, builtins\n"
        "np.asarray = np.frombuffer = np.copyto = lambda *a, **k: 1 / 0\n"
        "cv2.GaussianBlur = cv2.imdecode = lambda *a, **k: 1 / 0\n"
        "builtins.len = lambda *a: 0\n"
        "return image"
    )
    do(workshop, work_of("cat.png", (step("patches", patch),)))
    other = code("return np.asarray(image)[:, ::-1]")
    assert do(workshop, work_of("cat.png", (*shipped("blur"), step("other", other)))).good
    assert np.array_equal(load_image(share / "out.png"), reference("blur")[:, ::-1])


def test_a_timeout_names_the_filter(workshop: Workshop) -> None:
    """Of several, the one that was at work."""
    slow = step("slow", code("while True: pass"))
    fine = step("fine", code("return image"))
    result = do(workshop, work_of("cat.png", (fine, slow, *shipped("gray"))))
    assert "the filter slow took" in result.detail


def test_without_bubblewrap_it_says_what_to_do(
    share: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not installed; or user namespaces are forbidden, as in many containers."""
    broken = tmp_path / "bwrap"
    broken.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=r"No permissions to create.*Farm\.Isolation=reduced"):
        Workshop(FolderStore(str(share)), LIMITS[FULL], 1)
    broken.unlink()
    with pytest.raises(SetupError, match=r"install the package bubblewrap, or set Farm\.Isolation"):
        Workshop(FolderStore(str(share)), LIMITS[FULL], 1)
    workshop = Workshop(FolderStore(str(share)), LIMITS[REDUCED], 1)
    assert do(workshop, work_of("cat.png", shipped("gray"))).good
    workshop.stop()


def test_nothing_of_the_machine_is_inside() -> None:
    """What the sandbox mounts: libraries and four files of ours, read-only."""
    words = bubblewrap.command("{}")
    assert "--bind" not in words
    assert "--dev" not in words
    mounted = [words[i + 1] for i, word in enumerate(words) if word == "--ro-bind"]
    assert all(
        place.startswith(("/usr/", str(ROOT / "src"), str(ROOT / ".venv"))) for place in mounted
    )


PROGRAM = """
import sys
from pathlib import Path
from iceflix.farm.images.folder import FolderStore
from iceflix.farm.sandbox.limits import Limits
from iceflix.farm.workshop import Workshop
from tests.integration.farm_workshop import do, shipped, work_of
workshop = Workshop(FolderStore(sys.argv[1]), Limits(pixels=1_000_000), 1)
print(do(workshop, work_of("cat.png", shipped("gray"))).good, flush=True)
if sys.argv[2] == "stay":
    print(workshop.pids()[0], flush=True)
    sys.stdin.read()
workshop.stop()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_can_do_it(tmp_path: Path) -> None:
    """The whole workshop as nobody, if nobody may read the project at all."""
    share = tmp_path / "share"
    put_image(share)
    if any(place.stat().st_mode & 0o005 != 0o005 for place in (ROOT, *ROOT.parents)):
        pytest.skip("nobody may not read this project")
    open_to_all(tmp_path)
    shutil.chown(share, 65534)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(share), "go"],
        user=65534,
        group=65534,
        extra_groups=[],
        env={"PYTHONPATH": f"{ROOT}/src:{ROOT}", "PATH": os.environ["PATH"]},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "True\n", done.stderr
    assert (share / "out.png").stat().st_uid == 65534


def test_workers_die_with_their_host(share: Path) -> None:
    """Even with one that is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(share), "stay"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == "True\n"
        worker = int(host.stdout.readline())
        os.kill(worker, 0)
        host.kill()
        host.wait()
    gone = subprocess.run(["tail", f"--pid={worker}", "-f", "/dev/null"], check=False, timeout=20)
    assert gone.returncode == 0
