"""How IceStorm is started: its configuration, and what is mended."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from iceflix.contract import Ice
from iceflix.ops.broker import PROXY, Broker
from iceflix.ops.guard import Occupied
from iceflix.runtime.errors import SetupError
from iceflix.runtime.settings import Settings
from tests.conftest import free_port

BrokerMaker = Callable[..., Broker]


@pytest.fixture(name="make")
def _make(tmp_path: Path, ice: Ice.Communicator) -> BrokerMaker:
    def make(values: dict[str, str] | None = None, home: Path = tmp_path) -> Broker:
        return Broker(ice, Settings(home, values or {}))

    return make


def _at(port: int, host: str = "127.0.0.1") -> dict[str, str]:
    return {PROXY: f"IceStorm/TopicManager:tcp -h {host} -p {port}"}


def _written(broker: Broker) -> dict[str, str]:
    properties = Ice.createProperties()
    properties.load(str(broker.folder / "icebox.config"))
    return properties.getPropertiesForPrefix("")


def test_the_default_is_what_the_specification_says(
    make: BrokerMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V74: IceStorm/TopicManager:tcp -p 10000; here, on loopback."""
    monkeypatch.setattr("iceflix.ops.endpoints.Address.listened", False)
    broker = make()
    plan = broker.plan()
    assert plan.command == ("icebox", "--Ice.Config=icebox.config")
    assert plan.folder == broker.folder
    written = _written(broker)
    assert written["IceStorm.TopicManager.Endpoints"] == 'tcp -h "127.0.0.1" -p 10000'
    assert written["IceStorm.Publish.Endpoints"] == 'tcp -h "127.0.0.1"'
    assert written["IceStorm.InstanceName"] == "IceStorm"
    assert written["IceStorm.Discard.Interval"] == "2"
    assert written["IceStorm.LMDB.Path"] == "db"


def test_properties_are_handed_on(make: BrokerMaker) -> None:
    """Those that concern it; what was given wins, letter by letter."""
    odd = r" a\b#c=d \e "
    port = free_port()
    broker = make(
        {
            "IceStorm.Discard.Interval": "7",
            "Ice.Trace.Network": odd,
            "Auth.File": "x",
            "Ice.Default.Host": "",
            **_at(port),
        }
    )
    broker.plan()
    written = _written(broker)
    assert written["IceStorm.Discard.Interval"] == "7"
    assert written["Ice.Trace.Network"] == odd.rstrip()
    assert not {"Auth.File", PROXY, "Ice.Default.Host"} & set(written)
    assert written["IceStorm.TopicManager.Endpoints"] == f"tcp -p {port}"
    assert written["IceStorm.Publish.Endpoints"] == "tcp"


def test_a_value_of_several_lines_is_refused(make: BrokerMaker) -> None:
    """It would become properties of its own."""
    with pytest.raises(SetupError, match="several lines"):
        make({"Ice.Trace.Network": "1\nIceBox.X=y", **_at(free_port())}).plan()


def test_a_taken_port_is_named_with_its_owner(make: BrokerMaker) -> None:
    """That is us here."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        broker = make(_at(port))
        assert not broker.answers()
        with pytest.raises(Occupied, match=f"port {port}.*process {os.getpid()}"):
            broker.plan()


@pytest.mark.parametrize(
    ("proxy", "ours"),
    [
        ("IceStorm/TopicManager:tcp -h 127.0.0.1 -p 10000", True),
        ("IceStorm/TopicManager:tcp -p 10000", True),
        ("IceStorm/TopicManager:tcp -h 192.0.2.1 -p 10000", False),
        ("IceStorm/TopicManager:tcp -h 127.0.0.1 -p 1:tcp -h 127.0.0.2 -p 2", False),
        ("IceStorm/TopicManager", False),
    ],
)
def test_what_can_be_started_here(make: BrokerMaker, proxy: str, *, ours: bool) -> None:
    """One endpoint, of this machine: not a cluster, not somebody else's."""
    assert make({PROXY: proxy}).ours is ours


def test_one_launcher_a_home(make: BrokerMaker) -> None:
    """The second one is told."""
    one = make()
    assert one.claim()
    assert not make().claim()


def test_an_unusable_database_is_set_aside(make: BrokerMaker) -> None:
    """Kept for whoever wants to look, out of the way of the next start."""
    broker = make(_at(free_port()))
    broker.plan()
    data = broker.folder / "db/data.mdb"
    for code, words in ((1, "LMDBException: MDB_INVALID: File is not"), (-7, ""), (-11, "")):
        data.write_text("torn")
        said = broker.mend(code, words)
        assert said is not None and "db.broken-" in said
        assert not data.exists()
        (aside,) = broker.folder.glob("db.broken-*")
        assert (aside / "data.mdb").read_text() == "torn"
        (aside / "data.mdb").unlink()
        aside.rmdir()


def test_other_ends_mend_nothing(make: BrokerMaker) -> None:
    """A killed or stopped IceStorm has a good database."""
    broker = make(_at(free_port()))
    broker.plan()
    assert broker.mend(-9, "") is None
    assert broker.mend(1, "Address already in use") is None
    with pytest.raises(Occupied, match="another IceStorm"):
        broker.mend(1, "FileLockException: could not lock file: `db/icedb.lock'")
