"""Interoperability: a client in C++ against the gateway, and the contract's letter (F11)."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from iceflix.contract import Ice, IceFlix
from iceflix.farm.gateway.orb import IDL
from tests.conftest import Broker
from tests.integration.farm_stage import HASH, USER, Stage, staged

pytestmark = pytest.mark.slow
SOURCE = Path(__file__).parent / "corba" / "client.cpp"


@pytest.fixture(name="stage")
def _stage(shared_broker: Broker, tmp_path: Path) -> Iterator[Stage]:
    with staged(shared_broker, tmp_path / "home") as stage:
        yield stage


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(name="client", scope="module")
def _client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the client from filtrado.idl with Debian's omniORB."""
    folder = tmp_path_factory.mktemp("client")
    assert shutil.which("g++"), "scripts/setup dev installs the compiler"
    # Debian's compiler by its path: the environment's own knows Python only.
    _run(folder, "/usr/bin/omniidl", "-bcxx", "-Wbuse_quotes", str(IDL))
    libraries = ("-lomniORB4", "-lomnithread", "-lpthread")
    sources = (str(SOURCE), "filtradoSK.cc")
    _run(folder, "g++", "-O0", "-I.", "-o", "client", *sources, *libraries)
    return folder / "client"


def test_a_client_in_another_language(stage: Stage, client: Path) -> None:
    """F11, F16, F47: names in any Unicode, booleans, results, the declared exception, at once."""

    together = threading.Barrier(8)  # the slow ones are answered when all of them are there

    def answer(job: IceFlix.Job) -> object:
        future: Ice.Future[IceFlix.JobResult] = Ice.Future()

        def finish() -> None:
            if job.steps[0].filter == "slow":
                together.wait(30)
            future.set_result(IceFlix.JobResult(f"done/{job.image}", 0.25))

        threading.Thread(target=finish).start()
        return future

    stage.central.answer = answer
    done = subprocess.run(
        [
            str(client),
            f"corbaname::{stage.naming}#IceFlix/Proxy",
            USER,
            HASH,
            "-ORBnativeCharCodeSet",
            "UTF-8",
            "-ORBmaxGIOPConnectionPerServer",
            "16",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[:4] == ["blur", "gray", "true", "done/año/日本.png 0.25"]
    assert lines[4:6] == ["false", "NO_AUTORIZADO: wrong user or password"]
    assert lines[6] == "false"
    assert lines[7].startswith("IMAGEN_DESCONOCIDA: ")
    assert lines[8] == "false"
    assert lines[9].startswith("PETICION_INVALIDA: ")
    assert lines[10:] == ["eight at once"]
    first = stage.central.jobs[0]
    assert [(step.filter, dict(step.parameters)) for step in first.steps] == [
        ("gray", {}),
        ("blur", {"radius": "4"}),
    ]
