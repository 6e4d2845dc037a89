"""Authenticators on a real broker, as replicas that share key and users (V12-V22, V71, V72)."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from iceflix.auth import admin, service
from iceflix.contract import Ice, IceFlix, IceStorm
from iceflix.contract.topics import AUTHENTICATION_STATUS
from iceflix.runtime.errors import SetupError
from iceflix.runtime.host import Host
from tests.conftest import Broker, Eventually, HostMaker

pytestmark = pytest.mark.slow

SECRET = hashlib.sha256(b"secret").hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()


@dataclass
class Heard(IceFlix.TokenRevocation):
    """A foreign subscriber: which token was revoked when."""

    # pylint: disable=too-few-public-methods
    events: list[tuple[str, float]] = field(default_factory=list)

    def revoke(self, authentication: str, _current: Ice.Current | None = None) -> None:
        """Note it."""
        self.events.append((authentication, time.monotonic()))

    def tokens(self) -> list[str]:
        """The tokens, in the order of their events."""
        return [token for token, _ in self.events]


Replica = Callable[..., IceFlix.AuthenticatorPrx]


@pytest.fixture(name="users")
def fixture_users(tmp_path: Path) -> Path:
    """The credentials file where services look for it, with ana (secret) and eva (other)."""
    path = tmp_path / "users.json"
    admin.put_user(path, "ana", SECRET)
    admin.put_user(path, "eva", OTHER)
    return path


@pytest.fixture(name="hosts")
def fixture_hosts() -> list[Host]:
    """The hosts of the replicas, in the order of their start."""
    return []


@pytest.fixture(name="replica")
def fixture_replica(make_host: HostMaker, hosts: list[Host], ice: Ice.Communicator) -> Replica:
    """Start an Authenticator; return its proxy for a foreign client."""

    def start(**properties: str) -> IceFlix.AuthenticatorPrx:
        given = {key.replace("_", "."): value for key, value in properties.items()}
        host = make_host("auth", service.build, given)
        hosts.append(host)
        return IceFlix.AuthenticatorPrx.uncheckedCast(ice.stringToProxy(str(host.proxy)))

    return start


@pytest.fixture(name="heard")
def fixture_heard(broker: Broker, ice: Ice.Communicator) -> Heard:
    """Subscribe to AuthenticationStatus before any Authenticator runs."""
    return subscribe(broker, ice)


def subscribe(broker: Broker, ice: Ice.Communicator) -> Heard:
    """Hear revocations as a foreign client does."""
    adapter = ice.createObjectAdapterWithEndpoints(Ice.generateUUID(), "tcp -h 127.0.0.1")
    adapter.activate()
    heard = Heard()
    try:
        topic = broker.manager.create(AUTHENTICATION_STATUS)
    except IceStorm.TopicExists:
        topic = broker.manager.retrieve(AUTHENTICATION_STATUS)
    topic.subscribeAndGetPublisher({}, adapter.addWithUUID(heard))
    return heard


@pytest.mark.usefixtures("users")
def test_a_token_is_revoked_once_for_everybody_when_it_expires(
    heard: Heard, replica: Replica, eventually: Eventually
) -> None:
    """V17, V18, V20, V22 with a short life."""
    first, second = replica(Auth_TokenSeconds="2"), replica(Auth_TokenSeconds="2")
    issued = time.monotonic()
    token = first.refreshAuthorization("ana", SECRET)
    other = second.refreshAuthorization("ana", SECRET)
    for authenticator in (first, second):
        assert authenticator.isAuthorized(token)
        assert authenticator.isAuthorized(other)
    assert not heard.events
    eventually(lambda: {token, other} <= set(heard.tokens()))
    for authenticator in (first, second):
        assert not authenticator.isAuthorized(token)
        assert not authenticator.isAuthorized(other)
    assert min(at for _, at in heard.events) >= issued + 2.0
    last = first.refreshAuthorization("ana", SECRET)
    eventually(lambda: last in heard.tokens())
    assert sorted(heard.tokens()) == sorted([token, other, last]), "each one once"


@pytest.mark.usefixtures("users")
def test_a_token_outlives_its_issuer(replica: Replica, hosts: list[Host]) -> None:
    """V20: the other one accepts it, and so does one that is started later."""
    first, second = replica(), replica()
    token = first.refreshAuthorization("ana", SECRET)
    hosts[0].stop()
    with pytest.raises(Ice.LocalException):
        first.ice_ping()
    assert second.isAuthorized(token)
    assert replica().isAuthorized(token)


@pytest.mark.usefixtures("users")
def test_replicas_with_another_key_do_not_accept_the_token(
    tmp_path: Path, replica: Replica
) -> None:
    """The key decides whom an Authenticator believes."""
    first, stranger = replica(), replica(Auth_KeyFile=str(tmp_path / "other.key"))
    token = first.refreshAuthorization("ana", SECRET)
    assert first.isAuthorized(token)
    assert not stranger.isAuthorized(token)


def test_a_changed_password_ends_tokens_at_once_everywhere(
    users: Path, heard: Heard, replica: Replica, eventually: Eventually
) -> None:
    """Without any signal; the event follows by itself, once, and other users keep theirs."""
    first, second = replica(), replica()
    token = first.refreshAuthorization("ana", SECRET)
    kept = first.refreshAuthorization("eva", OTHER)
    admin.put_user(users, "ana", OTHER)
    assert not second.isAuthorized(token)
    eventually(lambda: heard.tokens() == [token], 5)
    assert not first.isAuthorized(token)
    for authenticator in (first, second):
        assert authenticator.isAuthorized(kept)
        with pytest.raises(IceFlix.Unauthorized):
            authenticator.refreshAuthorization("ana", SECRET)
        assert authenticator.isAuthorized(authenticator.refreshAuthorization("ana", OTHER))
    assert heard.tokens() == [token]


def test_a_removed_user_is_out_and_an_added_one_in(users: Path, replica: Replica) -> None:
    """V71: at the very next call, at all."""
    first, second = replica(), replica()
    token = first.refreshAuthorization("ana", SECRET)
    admin.remove_user(users, "ana")
    admin.put_user(users, "leo", SECRET)
    for authenticator in (second, first):
        assert not authenticator.isAuthorized(token)
        assert authenticator.refreshAuthorization("leo", SECRET)
        with pytest.raises(IceFlix.Unauthorized):
            authenticator.refreshAuthorization("ana", SECRET)


def test_a_malformed_file_on_reload_changes_nothing(
    users: Path, replica: Replica, hosts: list[Host]
) -> None:
    """V72; the status says what is wrong."""
    authenticator = replica()
    token = authenticator.refreshAuthorization("ana", SECRET)
    users.write_text('{\n"ana": nonsense}')
    hosts[0].reload()
    assert authenticator.isAuthorized(token)
    assert authenticator.refreshAuthorization("eva", OTHER)
    assert "line 2, column 8" in hosts[0].status().details["problem"]
    users.write_text(json.dumps({"leo": {"password_hash": SECRET}}))
    hosts[0].reload()
    assert not authenticator.isAuthorized(token)
    assert authenticator.refreshAuthorization("leo", SECRET)
    assert "problem" not in hosts[0].status().details


def test_the_file_is_never_written(users: Path, replica: Replica) -> None:
    """V13: a thousand logins."""
    content, stamp = users.read_bytes(), users.stat().st_mtime_ns
    authenticator = replica()
    tokens = {authenticator.refreshAuthorization("ana", SECRET) for _ in range(1000)}
    assert len(tokens) == 1000
    assert users.read_bytes() == content
    assert users.stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    ("content", "sentence"), [(None, "no credentials file"), ("{", "line 1, column 2")]
)
def test_without_usable_users_it_does_not_start(
    tmp_path: Path, replica: Replica, content: str | None, sentence: str
) -> None:
    """V12."""
    if content is not None:
        (tmp_path / "users.json").write_text(content)
    with pytest.raises(SetupError, match=sentence):
        replica()


def test_two_files_give_two_sets_of_users(tmp_path: Path, replica: Replica) -> None:
    """V12."""
    for user in ("one", "two"):
        admin.put_user(tmp_path / f"{user}.json", user, SECRET)
    first, second = (replica(Auth_File=str(tmp_path / f"{user}.json")) for user in ("one", "two"))
    assert first.refreshAuthorization("one", SECRET)
    assert second.refreshAuthorization("two", SECRET)
    for authenticator, stranger in ((first, "two"), (second, "one")):
        with pytest.raises(IceFlix.Unauthorized):
            authenticator.refreshAuthorization(stranger, SECRET)


@pytest.mark.usefixtures("users")
def test_it_works_without_a_broker_and_speaks_when_one_comes(
    own_broker: Broker,
    replica: Replica,
    ice: Ice.Communicator,
    eventually: Eventually,
) -> None:
    """V05: started before the broker, and again after the broker has lost everything."""
    own_broker.start()
    own_broker.stop()
    authenticator = replica(
        Auth_TokenSeconds="1", **{"IceStorm_TopicManager_Proxy": own_broker.proxy}
    )
    assert authenticator.isAuthorized(authenticator.refreshAuthorization("ana", SECRET))
    for _ in range(2):
        own_broker.start()
        heard = subscribe(own_broker, ice)

        def revoked(heard: Heard = heard) -> bool:
            authenticator.refreshAuthorization("ana", SECRET)
            return bool(heard.events)

        eventually(revoked, 15)
        own_broker.stop()
        own_broker.wipe()
