"""The broker is absent, restarted, wiped or hung; services are killed and hung (V05, V07, V08)."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from iceflix.contract import Ice, IceFlix
from iceflix.contract.topics import AUTHENTICATION_STATUS, SERVICE_AVAILABILITY
from iceflix.runtime.boundary import event
from iceflix.runtime.channels import AUTHENTICATOR
from iceflix.runtime.host import Host
from tests.conftest import Broker, Eventually, HostMaker, free_port, freeze

pytestmark = [pytest.mark.slow, pytest.mark.serial]


class Revocations(IceFlix.TokenRevocation):
    """Remembers what was revoked."""

    # pylint: disable=too-few-public-methods

    def __init__(self) -> None:
        self.seen: list[str] = []

    @event
    def revoke(self, authentication: str, _current: Ice.Current | None = None) -> None:
        """Hear of a token."""
        self.seen.append(authentication)


def _main(host: Host) -> None:
    host.publish(IceFlix.Main())


def _authenticator(host: Host) -> None:
    host.announce(AUTHENTICATOR, host.publish(IceFlix.Authenticator()))


def _revoke(broker: Broker, token: str) -> None:
    publisher = broker.manager.retrieve(AUTHENTICATION_STATUS).getPublisher()
    IceFlix.TokenRevocationPrx.uncheckedCast(publisher).revoke(token)


def test_services_wait_for_the_broker_and_outlive_it(
    own_broker: Broker, make_host: HostMaker, eventually: Eventually
) -> None:
    """Services wait for the broker and outlive it."""
    own_broker.port = free_port()
    properties = {"IceStorm.TopicManager.Proxy": own_broker.proxy}
    heard = Revocations()
    main = make_host("main", _main, properties)
    main.topics.subscribe(AUTHENTICATION_STATUS, heard)
    auth = make_host("auth", _authenticator, properties)
    assert not main.directory.all(AUTHENTICATOR)

    own_broker.start()
    eventually(lambda: main.directory.find(AUTHENTICATOR, auth.identifier), 15)
    eventually(lambda: own_broker.manager.retrieve(AUTHENTICATION_STATUS).getSubscribers(), 15)
    _revoke(own_broker, "one")
    eventually(lambda: heard.seen == ["one"])

    own_broker.stop()
    assert main.directory.choose(AUTHENTICATOR)
    own_broker.wipe()
    own_broker.start()
    second = make_host("auth", _authenticator, properties)
    eventually(lambda: main.directory.find(AUTHENTICATOR, second.identifier), 15)
    assert main.directory.find(AUTHENTICATOR, auth.identifier), "known services stay known"
    eventually(
        lambda: (
            AUTHENTICATION_STATUS in own_broker.manager.retrieveAll()
            and own_broker.manager.retrieve(AUTHENTICATION_STATUS).getSubscribers()
        ),
        15,
    )
    _revoke(own_broker, "two")
    eventually(lambda: heard.seen == ["one", "two"])


def test_a_deaf_subscription_is_renewed(
    own_broker: Broker, make_host: HostMaker, eventually: Eventually
) -> None:
    """Somebody unsubscribes us behind our back: the next cycle notices."""
    own_broker.start()
    properties = {"IceStorm.TopicManager.Proxy": own_broker.proxy}
    main = make_host("main", _main, properties)
    topic = own_broker.manager.retrieve(SERVICE_AVAILABILITY)
    (identity,) = topic.getSubscribers()
    topic.unsubscribe(main.adapter.createProxy(identity))
    eventually(lambda: topic.getSubscribers() == [identity])


def test_topics_of_our_own_come_and_go(
    own_broker: Broker, make_host: HostMaker, eventually: Eventually
) -> None:
    """Topics of our own come and go."""
    own_broker.start()
    main = make_host("main", _main, {"IceStorm.TopicManager.Proxy": own_broker.proxy})
    main.topics.create("mine")
    assert "mine" in main.topics.names()
    own_broker.stop()
    own_broker.wipe()
    main.topics.create("later")
    own_broker.start()
    eventually(lambda: {"mine", "later"} <= set(main.topics.names()), 15)
    main.topics.destroy("mine")
    eventually(lambda: "mine" not in main.topics.names())
    main.stop()
    assert "later" not in own_broker.manager.retrieveAll()


def test_a_hung_broker_hangs_nobody(
    own_broker: Broker, make_host: HostMaker, eventually: Eventually
) -> None:
    """A hung broker hangs nobody."""
    own_broker.start()
    main = make_host("main", _main, {"IceStorm.TopicManager.Proxy": own_broker.proxy})
    publisher = main.topics.publisher(AUTHENTICATION_STATUS, IceFlix.TokenRevocationPrx)
    own_broker.freeze()
    began = time.monotonic()
    for _ in range(100):
        publisher.send(lambda topic: topic.revokeAsync("x"))
    assert time.monotonic() - began < 2, "publishing blocks"
    eventually(lambda: not main.topics.connected, 20)
    own_broker.thaw()
    eventually(lambda: main.topics.connected, 20)


PEER = """
import sys
from pathlib import Path
from iceflix.contract import IceFlix
from iceflix.runtime.channels import AUTHENTICATOR
from iceflix.runtime.host import run

def build(host):
    host.announce(AUTHENTICATOR, host.publish(IceFlix.Authenticator()))

sys.exit(run("auth", build, sys.argv[1:]))
"""


def _peer(python: str, broker: Broker, home: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [python, "-c", PEER, f"--IceStorm.TopicManager.Proxy={broker.proxy}"],
        env={"ICEFLIX_HOME": str(home), "PATH": "/usr/bin:/bin"},
    )


def _only_main_thread_takes_signals(pid: int) -> bool:
    """A signal that another thread takes would end the process."""
    bit = 1 << (signal.SIGUSR1 - 1)
    statuses = [
        (task.name, (task / "status").read_text("ascii"))
        for task in Path(f"/proc/{pid}/task").iterdir()
        if task.name != str(pid)
    ]
    masks = [int(text.partition("SigBlk:")[2].split()[0], 16) for _, text in statuses]
    return bool(masks) and all(mask & bit for mask in masks)


def test_killed_and_hung_services_are_left_out_and_come_back(
    broker: Broker, make_host: HostMaker, eventually: Eventually, tmp_path: Path, python: str
) -> None:
    """Killed and hung services are left out and come back."""
    main = make_host("main", _main)
    peers = [_peer(python, broker, tmp_path) for _ in range(2)]
    try:
        eventually(lambda: len(main.directory.all(AUTHENTICATOR)) == 2, 20)
        assert all(_only_main_thread_takes_signals(peer.pid) for peer in peers)
        freeze(peers[0].pid)
        for _ in range(10):
            main.directory.choose(AUTHENTICATOR).ice_ping()
        eventually(lambda: len(main.directory.all(AUTHENTICATOR)) == 1, 10)
        peers[0].send_signal(signal.SIGCONT)
        eventually(lambda: len(main.directory.all(AUTHENTICATOR)) == 2, 20)
        peers[0].kill()
        peers[0].wait()
        for _ in range(50):
            main.directory.choose(AUTHENTICATOR).ice_ping()
        peers[1].terminate()
        assert peers[1].wait(10) == 0
        eventually(lambda: not main.directory.all(AUTHENTICATOR), 10)
        assert len(list((tmp_path / "run").glob("auth-*.pid"))) == 1, "the killed one's"
    finally:
        for peer in peers:
            peer.kill()
            peer.wait()
