"""The filter administrator: what runs where, and who hears of it (F28, F30, F40, F41)."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import INVALID_REQUEST, NOT_AUTHORIZED, UNKNOWN_FILTER
from iceflix.farm.discovery import CENTRAL
from iceflix.farm.filteradmin.service import build
from iceflix.farm.filters import library
from iceflix.farm.filters.signing import verify
from iceflix.runtime.adminkey import read_key
from iceflix.runtime.host import Host
from tests.conftest import Broker, Eventually, HostMaker
from tests.integration.farm_fakes import FakeCentral, farm_topic, serve

pytestmark = pytest.mark.slow
OWN = b'''def apply(image):
    """Leave the image as it is."""
    return image
'''


class Farm:  # pylint: disable=too-many-instance-attributes  # a whole stage
    """Fake central and rings that announce themselves, and the administrator under test."""

    def __init__(self, broker: Broker, ice: Ice.Communicator) -> None:
        self.central = FakeCentral()
        self.rings: list[str] = []
        self._topic = farm_topic(broker)
        self._ice = ice
        self._central = IceFlix.CentralPrx.uncheckedCast(serve(ice, self.central))
        self._adapters: dict[str, Ice.ObjectAdapter] = {}
        self._nodes: dict[str, IceFlix.RingPrx] = {}
        self.stopping = threading.Event()

    def ring(self, name: str) -> None:
        """A ring of one node appears."""
        adapter = self._ice.createObjectAdapterWithEndpoints(name, "tcp -h 127.0.0.1")
        adapter.activate()
        self._adapters[name] = adapter
        self._nodes[name] = IceFlix.RingPrx.uncheckedCast(adapter.addWithUUID(IceFlix.Ring()))

    def dies(self, name: str) -> None:
        """It disappears."""
        del self._nodes[name]
        self._adapters.pop(name).destroy()

    def run(self) -> None:
        """Announce."""
        while not self.stopping.wait(0.1):
            self._topic.centralService(self._central, "fake")
            for name, node in list(self._nodes.items()):
                self._topic.ringNode(node, f"node of {name}", name)

    @property
    def told(self) -> list[str] | None:
        """What central heard last."""
        return self.central.told[-1] if self.central.told else None


@pytest.fixture(name="farm")
def _farm(broker: Broker, ice: Ice.Communicator) -> Iterator[Farm]:
    farm = Farm(broker, ice)
    thread = threading.Thread(target=farm.run)
    thread.start()
    yield farm
    farm.stopping.set()
    thread.join()


def _admin(ice: Ice.Communicator, host: Host) -> IceFlix.FilterAdminPrx:
    return IceFlix.FilterAdminPrx.uncheckedCast(ice.stringToProxy(str(host.proxy)))


def _reason(call: object, *arguments: object) -> str:
    assert callable(call)
    with pytest.raises(IceFlix.Denied) as refused:
        call(*arguments)
    assert refused.value.detail
    return refused.value.reason


def test_system_a_runs_all_filters_while_a_ring_lives(
    farm: Farm, ice: Ice.Communicator, make_host: HostMaker, tmp_path: Path, eventually: Eventually
) -> None:
    """F28, F30: nothing without a ring; then all; a file dropped into the folder; none again."""
    shipped = sorted(library.names())
    admin = _admin(ice, make_host("filteradmin", build, {"Discovery.ProbeSeconds": "0.4"}))
    key = read_key(tmp_path / "admin.key")
    eventually(lambda: farm.told == [], 10)
    assert [info.name for info in admin.catalogue()] == shipped
    farm.ring("east")
    eventually(lambda: farm.told == shipped)
    (tmp_path / "filters" / "mine.py").write_bytes(OWN)
    eventually(lambda: farm.told is not None and "mine" in farm.told)
    code = admin.code("mine")
    assert verify(bytes(admin.publicKey()), "mine", bytes(code.code), bytes(code.signature))
    assert admin.running()[0].rings == ["east"]
    assert admin.assigned("east", "") == []
    assert _reason(admin.assign, key, "east", "gray") == INVALID_REQUEST
    admin.remove(key, "mine")
    eventually(lambda: farm.told == shipped)
    farm.dies("east")
    eventually(lambda: farm.told == [])


def test_system_b_runs_what_is_assigned(
    farm: Farm, ice: Ice.Communicator, make_host: HostMaker, tmp_path: Path, eventually: Eventually
) -> None:
    """F28, F40: one filter a ring; a filter without a ring is not in the list."""
    properties = {"Farm.System": "B", "Discovery.ProbeSeconds": "0.4"}
    host = make_host("filteradmin", build, properties)
    admin = _admin(ice, host)
    key = read_key(tmp_path / "admin.key")
    admin.add(key, "mine", OWN)
    admin.assign(key, "east", "gray")
    admin.assign(key, "west", "mine")
    farm.ring("east")
    eventually(lambda: farm.told == ["gray"])
    [code] = admin.assigned("east", "")
    assert code.name == "gray"
    assert admin.assigned("east", code.sha256) == []
    farm.ring("west")
    eventually(lambda: farm.told == ["gray", "mine"])
    admin.assign(key, "east", "sepia")
    [code] = admin.assigned("east", code.sha256)
    assert code.name == "sepia"
    eventually(lambda: farm.told == ["mine", "sepia"])
    admin.remove(key, "mine")
    eventually(lambda: farm.told == ["sepia"])
    again = _admin(ice, make_host("filteradmin", build, properties))
    assert again.rings() == {"east": "sepia"} | ({"west": ""} if "west" in again.rings() else {})
    first = admin.assigned("north", "")  # a ring that nobody assigned anything gets a free filter
    assert first and first[0].name not in ("sepia",)
    assert admin.rings()["north"] == first[0].name


def test_one_that_starts_again_hears_of_all_rings_first(
    farm: Farm, make_host: HostMaker, tmp_path: Path, eventually: Eventually
) -> None:
    """F28: otherwise central would refuse for good what a ring runs."""
    (tmp_path / "assignments.json").write_text('{"east": "gray", "west": "invert"}')
    farm.ring("east")
    properties = {"Farm.System": "B", "FilterAdmin.PatienceSeconds": "60"}
    host = make_host("filteradmin", build, properties)
    eventually(lambda: host.directory.members() and host.directory.all(CENTRAL))
    farm.ring("west")
    eventually(lambda: farm.central.told)
    assert farm.central.told[0] == ["gray", "invert"]


def test_only_the_administrator_changes_anything(
    ice: Ice.Communicator, make_host: HostMaker, tmp_path: Path
) -> None:
    """F41: the key; what is no filter; what there is not."""
    admin = _admin(ice, make_host("filteradmin", build, {"Farm.System": "B"}))
    key = read_key(tmp_path / "admin.key")
    assert _reason(admin.add, "x", "mine", OWN) == NOT_AUTHORIZED
    assert _reason(admin.remove, "", "gray") == NOT_AUTHORIZED
    assert _reason(admin.assign, "x", "east", "gray") == NOT_AUTHORIZED
    assert _reason(admin.add, key, "../mine", OWN) == INVALID_REQUEST
    assert _reason(admin.add, key, "mine", b"import os") == INVALID_REQUEST
    assert _reason(admin.remove, key, "nope") == UNKNOWN_FILTER
    assert _reason(admin.assign, key, "east", "nope") == UNKNOWN_FILTER
    assert _reason(admin.assign, key, "", "gray") == INVALID_REQUEST
    assert _reason(admin.code, "nope") == UNKNOWN_FILTER
    assert {info.name for info in admin.catalogue()} == set(library.names())
