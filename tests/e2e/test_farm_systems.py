"""Both systems, whole, from the client to the pixels (F03, F11-F16, F27-F43, F46, F47)."""

# pylint: disable=no-member  # the functions of cv2 live in its binary

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from iceflix.farm.client.doors import open_door
from iceflix.farm.gateway.desk import Request
from iceflix.farm.launch import Start
from iceflix.runtime.settings import Settings
from tests.conftest import Broker, Eventually, wait_until
from tests.e2e.farm_stage import DEADLINE, HASH, USER, Whole

pytestmark = [pytest.mark.slow, pytest.mark.serial]
CHAIN = ("rotate90", "crop:left=0.5", "invert")
TURNED = ("crop:left=0.5", "rotate90", "invert")
FLIP = '''"""Turn the picture upside down."""


def apply(image):
    """Turn the picture upside down."""
    return image[::-1].copy()
'''


@pytest.fixture(name="stage")
def _stage(tmp_path: Path, broker: Broker) -> Iterator[Whole]:
    stage = Whole(tmp_path / "home", broker)
    yield stage
    stage.close()


def _names(count: int) -> list[str]:
    return [f"p{number}.png" for number in range(count)]


def _by_corba(stage: Whole) -> None:
    """The same request through the other door."""
    settings = Settings(stage.farm.home, stage.properties)
    with open_door(settings, "corba") as door:
        name, seconds = door.filter(Request(USER, HASH, "p1.png", TURNED))
    assert name == "p1__crop_left=0.5-rotate90-invert.png"
    assert 0 < seconds < DEADLINE


def _refusals(stage: Whole) -> None:
    """Each with its reason; nothing is written."""
    images = stage.farm.home / "images"
    (images / "text.png").write_text("no picture")
    whole = (images / "p0.png").read_bytes()
    (images / "half.png").write_bytes(whole[: len(whole) // 2])
    before = stage.results()
    assert stage.denied("p0.png", ["gray", "nope"]) == "FILTRO_DESCONOCIDO"
    assert stage.denied("p0.png", []) == "PETICION_INVALIDA"
    assert stage.denied("p0.png", ["invert"] * 200) == "PETICION_INVALIDA"
    assert stage.denied("p0.png", ["crop:left=x"]) == "PETICION_INVALIDA"
    assert stage.denied("text.png", ["invert"]) == "PETICION_INVALIDA"
    assert stage.denied("half.png", ["invert"]) == "PETICION_INVALIDA"
    assert stage.denied("nowhere.png", ["invert"]) == "IMAGEN_DESCONOCIDA"
    assert stage.denied("../users.csv", ["invert"]) == "IMAGEN_DESCONOCIDA"
    assert stage.denied("p0.png", ["invert"], "nobody") == "NO_AUTORIZADO"
    assert not stage.gateway.getFiltrado(USER, HASH, "p0.png", ["nope"])
    assert stage.results() == before


def _grep(stage: Whole, name: str) -> list[dict[str, str]]:
    """The lines of all log files in which this stands."""
    files = (stage.farm.home / "logs").glob("*.log")
    texts = [text for file in files for text in file.read_text("utf-8").splitlines()]
    return [json.loads(text) for text in texts if name in text and text.endswith("}")]


def _one_grep_follows_a_request(stage: Whole, count: int) -> None:
    """Its lines have the same ``correlation`` in all processes that so many requests came by."""
    wanted = {
        ("gateway", "request"),
        ("central", "job given"),
        ("central", "job done"),
        ("multiserver", "job answered"),
        ("node", "task done"),
    }
    begun = [each for each in _grep(stage, '"request"') if each["event"] == "request"]
    names = {each["correlation"] for each in begun}
    assert len(names) == count
    for name in names:
        wait_until(lambda n=name: wanted <= {_what(line) for line in _grep(stage, n)}, 10)  # type: ignore[misc]
        assert {line["correlation"] for line in _grep(stage, name)} == {name}


def _what(line: dict[str, str]) -> tuple[str, str]:
    return line["service"], line["event"]


def test_system_a(stage: Whole, eventually: Eventually) -> None:
    """Two multiservers with a ring each; a dropped filter; a late multiserver with its ring."""
    stage.whole("A", (2, 2, 1))
    stage.check(stage.send(_names(6), CHAIN), CHAIN)
    stage.check(stage.send(_names(6), TURNED), TURNED)
    _by_corba(stage)
    _refusals(stage)

    (stage.farm.home / "filters" / "flip.py").write_text(FLIP)
    eventually(lambda: "flip" in stage.gateway.getFilters(), 10)
    done = stage.command("filter", "p0.png", "p2.png", "-f", "flip, invert")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.split()) == ["p0__flip-invert.png", "p2__flip-invert.png"]
    images = stage.farm.home / "images"
    source, made = (cv2.imread(str(images / name)) for name in ("p0.png", "p0__flip-invert.png"))
    assert source is not None and made is not None
    assert (made == 255 - source[::-1]).all()

    properties = {"Farm.System": "A", "Multiserver.Name": "ring3"}
    stage.join(Start("multiserver3", "multiserver", properties))
    properties = {"Farm.System": "A", "Node.Ring": "ring3", "Node.Slots": "1"}
    node = stage.join(Start("ring3-node1", "node", properties))
    stage.farm.wait_ready([stage.processes["multiserver3"], node], 30)
    eventually(lambda: list(stage.multiserver("multiserver3").health().rings) == ["ring3"], 20)

    def late_one_works() -> bool:
        futures = stage.send(_names(6), ("invert",))
        stage.check(futures, ("invert",))
        mine = next(each.id for each in stage.farm.ready() if each.pid == node.pid)
        return mine in {future.result().node for future in futures}

    eventually(late_one_works, 20)
    shown = stage.command("farm", "status").stdout
    assert all(f"ring ring{number}: master" in shown for number in (1, 2, 3))


def test_system_b(stage: Whole, eventually: Eventually) -> None:
    """The same central and gateway; rings of one filter; whoever joins late gets its code."""
    stage.whole("B", (2, 2, 1))
    administrator, key = stage.administrator, stage.key
    administrator.assign(key, "ring1", "rotate90")
    administrator.assign(key, "ring2", "crop")
    eventually(lambda: set(stage.gateway.getFilters()) == {"rotate90", "crop"}, 10)
    chain, turned = ("rotate90", "crop:left=0.5", "rotate90"), ("crop:left=0.5", "rotate90")
    stage.check(stage.send(_names(6), chain), chain)
    stage.check(stage.send(_names(6), turned), turned)
    _one_grep_follows_a_request(stage, 12)
    assert stage.denied("p0.png", ["gray"]) == "FILTRO_DESCONOCIDO"

    folder = stage.farm.home / "nodes" / "ring2-node2"
    properties = {"Farm.System": "B", "Node.Ring": "ring2", "Node.Folder": str(folder)}
    stage.join(Start("ring2-node2", "node", properties))
    eventually((folder / "crop.py").exists, 30)
    received = (folder / "crop.py").read_bytes()
    assert received == (stage.farm.home / "nodes/ring2-node1/crop.py").read_bytes()

    assign = stage.command("filters", "assign", "ring2", "invert")
    assert (assign.returncode, assign.stderr) == (0, "")
    eventually(lambda: set(stage.gateway.getFilters()) == {"rotate90", "invert"}, 10)
    eventually((folder / "invert.py").exists, 10)
    other = ("invert", "rotate90")
    stage.check(stage.send(_names(6), other), other)
    work = stage.farm.home / "images/.iceflix/work"
    eventually(lambda: not list(work.glob("*")), 5)
