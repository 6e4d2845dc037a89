"""The session against fakes that speak the Slice."""

import asyncio
import functools
import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iceflix.client import vocabulary as v
from iceflix.client.engine import Said
from iceflix.client.lookup import MOST_RESULTS, Progress
from iceflix.client.sentences import ClientError, Denied, NotNow, Refusal, Unreachable, WrongObject
from iceflix.client.session import Session, digest
from iceflix.contract import Ice, IceFlix
from tests.conftest import Broker, free_port, wait_until
from tests.unit.client.fakes import FakeCatalog, FakePlayer, Platform, session_for, tapped

ANA = ("ana", digest("secreto"))


@pytest.fixture(name="platform")
def _platform() -> Iterator[Platform]:
    platform = Platform()
    platform.catalog.titles = {
        "aa11": ("Metropolis", ["silent", "city"]),
        "ab12": ("Nosferatu", ["silent"]),
    }
    yield platform
    platform.close()


@pytest.fixture(name="session")
def _session(tmp_path: Path) -> Iterator[Session]:
    with session_for(tmp_path) as session:
        yield session


@pytest.fixture(name="online")
def _online(session: Session, platform: Platform) -> Session:
    session.connect(platform.address).result(10)
    return session


@pytest.fixture(name="ready")
def _ready(online: Session) -> Session:
    """Connected, signed in, Metropolis selected."""
    online.sign_in(*ANA).result(10)
    found = online.search_name("Metro").result(10)
    online.select(found.titles[0]).result(10)
    return online


def linked(session: Session) -> v.Link:
    """The state of the connection."""
    return session.view.link


def playing_now(session: Session) -> v.Playing | None:
    """What plays."""
    return session.view.playing


# ---------------------------------------------------------------- connection


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a proxy"),
        ("garbage:::", "is not a proxy"),
        ("IceFlix/Main:tcp -p notaport", "is not a proxy"),
        ("x" * 10_000, "address"),
        ("\x1b[31mred", "is not a proxy"),
        ("IceFlix/Main", "address"),
        ("IceFlix/Main:tcp -h 127.0.0.1 -p 1", r"not running.*run_iceflix,.*--Client\.Main=PROXY$"),
        ("IceFlix/Main:tcp -h no.such.host.invalid -p 10010", "no computer"),
    ],
)
def test_bad_proxies_get_a_sentence(session: Session, text: str, words: str) -> None:
    """Bad proxies get a sentence."""
    with pytest.raises(ClientError, match=words) as caught:
        session.connect(text).result(10)
    assert "Exception" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert linked(session) is v.Link.OFFLINE


def test_other_objects_are_recognised(session: Session, platform: Platform) -> None:
    """Other objects are recognised."""
    assert platform.main.catalog is not None
    with pytest.raises(WrongObject, match="MediaCatalog"):
        session.connect(platform.main.catalog.ice_toString()).result(10)
    unknown = platform.main_proxy.ice_identity(Ice.stringToIdentity("nobody"))
    with pytest.raises(WrongObject, match="nobody"):
        session.connect(unknown.ice_toString()).result(10)
    session.connect(platform.address).result(10)
    assert session.view.online


def test_a_silent_address_is_given_up(tmp_path: Path) -> None:
    """A silent address is given up."""
    adapter_host = Ice.initialize(["--Ice.Default.Host=127.0.0.1"])
    adapter = adapter_host.createObjectAdapterWithEndpoints("", "tcp")  # never activated
    proxy = adapter.createProxy(Ice.stringToIdentity("IceFlix/Main")).ice_toString()
    impatient = session_for(tmp_path, Client_TimeoutSeconds="0.3")
    with impatient as session, pytest.raises(Unreachable, match="does not answer"):
        session.connect(proxy).result(10)
    adapter_host.destroy()


def test_unavailable_services_are_asked_for_three_times(
    session: Session, platform: Platform
) -> None:
    """Unavailable services are asked for three times."""
    platform.calls.fail["getCatalogService"] = IceFlix.TemporaryUnavailable
    heard: list[Said] = []
    session.subscribe(heard.append)
    with pytest.raises(NotNow, match="not available"):
        session.connect(platform.address).result(10)
    assert len(platform.calls.of("getCatalogService")) == 3
    assert len([said for said in heard if isinstance(said, v.Notice)]) == 2


def test_signing_in_asks_three_times(online: Session, platform: Platform) -> None:
    """Signing in asks three times."""
    platform.calls.fail["getAuthenticator"] = IceFlix.TemporaryUnavailable
    with pytest.raises(NotNow):
        online.sign_in(*ANA).result(10)
    assert len(platform.calls.of("getAuthenticator")) == 3


def test_the_death_and_return_of_main_are_noticed(online: Session, platform: Platform) -> None:
    """The death and return of main are noticed."""
    platform.kill("main")
    wait_until(lambda: linked(online) is v.Link.LOST)
    assert online.search_name("Metro").result(10).titles, "the catalogue is still there"
    platform.revive_main()
    wait_until(lambda: linked(online) is v.Link.ONLINE)


def test_a_new_attempt_replaces_the_old_one(session: Session, platform: Platform) -> None:
    """A new attempt replaces the old one."""
    platform.calls.delay["getCatalogService"] = threading.Event()
    first = session.connect(platform.address)
    wait_until(lambda: platform.calls.of("getCatalogService"))
    second = session.connect(platform.address)
    with pytest.raises(ClientError, match="cancelled"):
        first.result(10)
    platform.calls.delay["getCatalogService"].set()
    second.result(10)
    assert session.view.online


def test_nothing_works_offline(session: Session) -> None:
    """Nothing works offline."""
    for request in (
        session.search_name("x"),
        session.sign_in(*ANA),
        session.rename("x"),
        session.play(FakePlayer()),
    ):
        with pytest.raises(Refusal, match="not connected"):
            request.result(10)


# ---------------------------------------------------------------- account


def test_only_the_digest_leaves(online: Session, platform: Platform) -> None:
    """Only the digest leaves."""
    online.sign_in(*ANA).result(10)
    sent = platform.calls.of("refreshAuthorization")
    assert sent == [("ana", hashlib.sha256(b"secreto").hexdigest())]
    assert online.view.login.user == "ana"


def test_the_password_is_not_on_the_wire(session: Session, platform: Platform) -> None:
    """The password is not on the wire."""
    tap = tapped(platform)
    session.connect(platform.address).result(10)
    session.sign_in(*ANA).result(10)
    tap.close()
    assert hashlib.sha256(b"secreto").hexdigest().encode() in tap.seen
    assert b"secreto" not in tap.seen


def test_wrong_password(online: Session) -> None:
    """Wrong password."""
    with pytest.raises(Denied, match="Wrong user or password"):
        online.sign_in("ana", digest("wrong")).result(10)
    assert online.view.login.user is None


def test_renewal_by_the_clock_without_a_broker(tmp_path: Path, platform: Platform) -> None:
    """Renewal by the clock without a broker."""
    with session_for(tmp_path, Client_RenewSeconds="0.2") as session:
        session.connect(platform.address).result(10)
        session.sign_in(*ANA).result(10)
        wait_until(lambda: len(platform.authenticator.tokens) >= 4)
        session.sign_out().result(10)
        count = len(platform.calls.of("refreshAuthorization"))
        session.search_name("").result(10)
        time.sleep(0.5)
        assert len(platform.calls.of("refreshAuthorization")) == count


def test_another_authenticator_is_found(online: Session, platform: Platform) -> None:
    """Another authenticator is found."""
    online.sign_in(*ANA).result(10)
    platform.kill("authenticator")
    platform.use(authenticator=platform.authenticator)
    online.sign_in(*ANA).result(10)
    assert len(platform.authenticator.tokens) == 2


# ---------------------------------------------------------------- search


def test_arguments_reach_the_catalogue(online: Session, platform: Platform) -> None:
    """Arguments reach the catalogue."""
    online.search_name("Metropolis", exact=True).result(10)
    online.search_name("metro").result(10)
    online.search_tags(["a, b", "c"], every=True).result(10)
    online.search_tags(["c"]).result(10)
    assert platform.calls.of("getTilesByName") == [("Metropolis", True), ("metro", False)]
    assert platform.calls.of("getTilesByTags") == [(["a, b", "c"], True), (["c"], False)]


def test_one_bad_id_does_not_spoil_the_list(online: Session, platform: Platform) -> None:
    """One bad id does not spoil the list."""
    platform.catalog.titles |= {"cc": ("Gone", []), "dd": ("Unplugged", [])}
    platform.catalog.disowned.add("cc")
    platform.catalog.absent.add("dd")
    result = online.search_name("").result(10)
    assert [title.name for title in result.titles] == ["Metropolis", "Nosferatu", ""]
    assert result.titles[0].tags == ("silent", "city")
    assert not result.titles[2].reachable
    assert result.disowned == 1


def test_the_last_result_that_found_something_is_kept(online: Session) -> None:
    """The last result that found something is kept."""
    online.search_name("Metro").result(10)
    assert not online.search_name("nothing like that").result(10).titles
    assert [title.name for title in online.view.results] == ["Metropolis"]


def test_ten_thousand_results(online: Session, platform: Platform) -> None:
    """Ten thousand results."""
    count = MOST_RESULTS + 5
    platform.catalog.titles = {f"{n:064x}": (f"Title {n}", []) for n in range(count)}
    heard: list[Said] = []
    online.subscribe(heard.append)
    result = online.search_name("").result(100)
    assert len(result.titles) == MOST_RESULTS
    assert result.titles[-1].name == f"Title {MOST_RESULTS - 1}"
    assert result.omitted == 5
    assert any(isinstance(said, Progress) for said in heard)


def test_a_dead_catalogue_is_replaced_under_a_search(online: Session, platform: Platform) -> None:
    """A dead catalogue is replaced under a search."""
    platform.kill("catalog")
    other = FakeCatalog(platform.calls)
    other.titles = {"ee": ("From the other one", [])}
    platform.use(catalog=other)
    assert online.search_name("").result(10).titles[0].name == "From the other one"


def test_a_hung_catalogue_is_replaced(tmp_path: Path, platform: Platform) -> None:
    """A hung catalogue is replaced."""
    with session_for(tmp_path, Client_TimeoutSeconds="0.5") as session:
        session.connect(platform.address).result(10)
        platform.calls.delay["getTilesByName"] = threading.Event()
        began = time.monotonic()
        with pytest.raises(Unreachable, match="The catalogue does not answer"):
            session.search_name("").result(10)
        assert time.monotonic() - began < 5
        platform.calls.delay["getTilesByName"].set()
        assert len(platform.calls.of("getCatalogService")) == 2


def test_a_main_that_dies_with_its_catalogue(online: Session, platform: Platform) -> None:
    """A main that dies with its catalogue."""
    platform.kill("catalog")
    platform.kill("main")
    with pytest.raises(Unreachable, match="Main is not running"):
        online.search_name("").result(10)


def test_an_error_of_the_service_is_told(online: Session, platform: Platform) -> None:
    """An error of the service is told."""
    platform.calls.fail["getTilesByName"] = lambda: Ice.UnknownException(
        "internal error, incident 7"
    )
    with pytest.raises(ClientError, match="internal error, incident 7"):
        online.search_name("").result(10)


def test_a_search_can_be_cancelled(online: Session, platform: Platform) -> None:
    """A search can be cancelled."""
    platform.calls.delay["getTilesByName"] = threading.Event()
    search = online.search_name("")
    wait_until(lambda: platform.calls.of("getTilesByName"))
    assert search.cancel()
    platform.calls.delay["getTilesByName"].set()
    assert online.search_tags(["silent"]).result(10).titles


# ---------------------------------------------------------------- editing


def test_editing_needs_session_then_selection(online: Session) -> None:
    """Editing needs session then selection."""
    with pytest.raises(Refusal, match="not signed in"):
        online.rename("x").result(10)
    online.sign_in(*ANA).result(10)
    with pytest.raises(Refusal, match="No title is selected"):
        online.rename("x").result(10)


def test_renaming_and_tagging(ready: Session, platform: Platform) -> None:
    """Renaming and tagging."""
    ready.rename("Metrópolis").result(10)
    assert ready.view.selection is not None
    assert ready.view.selection.name == "Metrópolis"
    assert ready.view.results[0].name == "Metrópolis"
    ready.add_tags(["rain, wind", "two words"]).result(10)
    ready.remove_tags(["city"]).result(10)
    assert platform.catalog.titles["aa11"][1] == ["silent", "rain, wind", "two words"]
    assert ready.view.selection.tags == ("silent", "rain, wind", "two words")
    with pytest.raises(ClientError, match="needs a name"):
        ready.rename("   ").result(10)


def test_a_title_without_provider_can_be_edited(ready: Session, platform: Platform) -> None:
    """A title without provider can be edited."""
    platform.catalog.absent.add("aa11")
    assert ready.rename("Other").result(10).name == "Other"


def test_a_refused_token_is_renewed_and_tried_again(ready: Session, platform: Platform) -> None:
    """A refused token is renewed and tried again."""
    refusals = iter([IceFlix.Unauthorized()])
    platform.calls.fail["renameTile"] = lambda: next(refusals, None)
    ready.rename("Other").result(10)
    tokens = [arguments[2] for arguments in platform.calls.of("renameTile")]
    assert tokens == ["token-1", "token-2"]


def test_a_title_that_vanished(ready: Session, platform: Platform) -> None:
    """A title that vanished."""
    platform.calls.fail["renameTile"] = lambda: IceFlix.WrongMediaId("aa11")
    with pytest.raises(ClientError, match="does not know this title"):
        ready.rename("Other").result(10)


# ---------------------------------------------------------------- playing


def test_playing_and_stopping(ready: Session, platform: Platform) -> None:
    """Playing and stopping."""
    player = FakePlayer()
    ready.play(player).result(10)
    assert ready.view.playing == v.Playing(v.Title("aa11", "Metropolis", ("silent", "city")))
    assert player.address == "127.0.0.1"
    assert platform.calls.of("getSDP") == [("token-1", player.port)]
    assert f"m=video {player.port}" in player.sdp
    statistics = ready.statistics()
    assert statistics is not None
    assert statistics.packets == 1234
    assert ready.search_name("Nos").result(10).titles, "everything else goes on"
    ready.stop().result(10)
    assert not playing_now(ready)
    assert player.stopped
    assert platform.calls.of("stop")


def test_closing_the_session_stops_the_stream(tmp_path: Path, platform: Platform) -> None:
    """Closing the session stops the stream."""
    player = FakePlayer()
    with session_for(tmp_path) as session:
        session.connect(platform.address).result(10)
        session.sign_in(*ANA).result(10)
        session.select(session.search_name("Metro").result(10).titles[0]).result(10)
        session.play(player).result(10)
    assert platform.calls.of("stop")
    assert player.stopped


def test_the_end_of_a_stream(ready: Session, platform: Platform) -> None:
    """The end of a stream."""
    player = FakePlayer()
    heard: list[Said] = []
    ready.play(player).result(10)
    ready.subscribe(heard.append)
    assert player.ended is not None
    player.ended(None)
    wait_until(lambda: ready.view.playing is None)
    wait_until(lambda: platform.calls.of("stop"))
    assert "The end of Metropolis." in [
        str(said.sentence) for said in heard if isinstance(said, v.Notice)
    ]


@pytest.mark.slow
def test_a_controller_that_is_gone_ends_playback(ready: Session, platform: Platform) -> None:
    """A controller that is gone ends playback."""
    ready.play(FakePlayer()).result(10)
    platform.adapters["provider"].remove(platform.provider.proxies[0].ice_getIdentity())
    wait_until(lambda: ready.view.playing is None)


def test_a_failed_start_leaves_nothing(ready: Session, platform: Platform) -> None:
    """A failed start leaves nothing."""
    platform.calls.fail["getSDP"] = lambda: Ice.UnknownException("no such port")
    player = FakePlayer()
    with pytest.raises(ClientError, match="no such port"):
        ready.play(player).result(10)
    assert ready.view.playing is None
    assert player.stopped
    assert platform.calls.of("stop")


def test_stopping_while_the_stream_opens(ready: Session, platform: Platform) -> None:
    """Stopping while the stream opens."""
    platform.calls.delay["getSDP"] = threading.Event()
    playing = ready.play(FakePlayer())
    wait_until(lambda: platform.calls.of("getSDP"))
    stopping = ready.stop()
    with pytest.raises(ClientError, match="cancelled"):
        playing.result(10)
    platform.calls.delay["getSDP"].set()
    stopping.result(10)
    assert platform.calls.of("stop")


def test_a_dead_provider_is_asked_for_again(ready: Session, platform: Platform) -> None:
    """A dead provider is asked for again."""
    platform.kill("provider")
    with pytest.raises(Unreachable, match="The video server is not running"):
        ready.play(FakePlayer()).result(10)
    assert len(platform.calls.of("getTile")) >= 3, "the catalogue was asked for another"


def test_signing_out_stops_playback(ready: Session, platform: Platform) -> None:
    """Signing out stops playback."""
    ready.play(FakePlayer()).result(10)
    ready.sign_out().result(10)
    assert ready.view.playing is None
    assert platform.calls.of("stop")


def test_a_playing_stream_gets_new_tokens(tmp_path: Path, platform: Platform) -> None:
    """A playing stream gets new tokens."""
    with session_for(tmp_path, Client_RenewSeconds="0.3") as session:
        session.connect(platform.address).result(10)
        session.sign_in(*ANA).result(10)
        session.select(session.search_name("Metro").result(10).titles[0]).result(10)
        session.play(FakePlayer()).result(10)
        wait_until(lambda: len(platform.calls.of("refreshAuthentication")) >= 3)
    given = [arguments[0] for arguments in platform.calls.of("refreshAuthentication")]
    assert given == platform.authenticator.tokens[1 : len(given) + 1]


# ---------------------------------------------------------------- with a broker


@pytest.fixture(name="heard_platform")
def _heard_platform(broker: Broker, platform: Platform) -> Platform:
    platform.manager = broker.proxy
    return platform


def test_revocation_of_our_token_renews_it(
    tmp_path: Path, broker: Broker, heard_platform: Platform
) -> None:
    """Revocation of our token renews it."""
    platform = heard_platform
    before = platform.subscribers("AuthenticationStatus")
    with session_for(tmp_path, broker.proxy) as session:
        session.connect(platform.address).result(10)
        session.sign_in(*ANA).result(10)
        wait_until(lambda: platform.subscribers("AuthenticationStatus") == before + 1)
        platform.revoke("somebody else's")
        platform.revoke("token-1")
        wait_until(lambda: len(platform.authenticator.tokens) == 2)
        assert len(platform.calls.of("refreshAuthorization")) == 2
        session.sign_out().result(10)
        assert platform.subscribers("AuthenticationStatus") == before
        platform.revoke("token-2")
    assert len(platform.calls.of("refreshAuthorization")) == 2


def test_the_controller_is_answered_with_the_new_token(
    tmp_path: Path, broker: Broker, heard_platform: Platform
) -> None:
    """The controller is answered with the new token."""
    platform = heard_platform
    with session_for(tmp_path, broker.proxy) as session:
        session.connect(platform.address).result(10)
        session.sign_in(*ANA).result(10)
        session.select(session.search_name("Metro").result(10).titles[0]).result(10)
        session.play(FakePlayer()).result(10)
        servant = platform.adapters["provider"].find(platform.provider.proxies[0].ice_getIdentity())
        topic = getattr(servant, "topic")  # noqa: B009
        platform.topic(topic)
        wait_until(lambda: platform.subscribers(topic) == 1)
        wait_until(lambda: platform.subscribers("AuthenticationStatus") >= 1)

        def refreshed(times: int) -> bool:
            return len(platform.calls.of("refreshAuthentication")) == times

        for round_ in range(2, 6):
            platform.request_authentication(topic)
            platform.revoke(f"token-{round_ - 1}")
            wait_until(functools.partial(refreshed, round_ - 1))
        given = [arguments[0] for arguments in platform.calls.of("refreshAuthentication")]
        assert given == ["token-2", "token-3", "token-4", "token-5"]


def test_the_subscription_survives_a_wiped_broker(
    tmp_path: Path, own_broker: Broker, platform: Platform
) -> None:
    """The subscription survives a wiped broker."""
    own_broker.start()
    platform.manager = own_broker.proxy
    with session_for(tmp_path, own_broker.proxy) as session:
        session.connect(platform.address).result(10)
        session.sign_in(*ANA).result(10)
        wait_until(lambda: platform.subscribers("AuthenticationStatus") == 1)
        own_broker.stop()
        own_broker.wipe()
        own_broker.start()
        wait_until(lambda: platform.subscribers("AuthenticationStatus") == 1, 20)
        platform.revoke("token-1")
        wait_until(lambda: len(platform.authenticator.tokens) == 2)


# ---------------------------------------------------------------- faces


async def test_a_face_with_an_event_loop_is_never_blocked(
    session: Session, platform: Platform
) -> None:
    """A face with an event loop is never blocked."""
    platform.calls.delay["getCatalogService"] = threading.Event()
    connecting = asyncio.wrap_future(session.connect(platform.address))
    while not platform.calls.of("getCatalogService"):
        await asyncio.sleep(0.01)
    for _ in range(5):  # the loop turns, and Main has not answered
        await asyncio.sleep(0.01)
    assert not connecting.done()
    platform.calls.delay["getCatalogService"].set()
    await connecting
    assert session.view.online


def test_a_listener_with_a_mistake_disturbs_nobody(session: Session, platform: Platform) -> None:
    """A listener with a mistake disturbs nobody."""
    views: list[Said] = []

    def broken(_said: Said) -> None:
        raise ValueError

    session.subscribe(broken)
    forget = session.subscribe(views.append)
    session.connect(platform.address).result(10)
    assert [view.link for view in views if isinstance(view, v.View)] == [
        v.Link.CONNECTING,
        v.Link.ONLINE,
    ]
    forget()
    session.disconnect().result(10)
    assert len(views) == 2


def test_a_closed_session_says_so(session: Session) -> None:
    """A closed session says so."""
    session.close()
    with pytest.raises(ClientError, match="closed"):
        session.connect("x").result(10)


def test_events_are_received_where_the_user_says(
    tmp_path: Path, broker: Broker, heard_platform: Platform
) -> None:
    """Events are received where the user says, also after connecting anew."""
    platform = heard_platform
    endpoint = f"tcp -h 127.0.0.1 -p {free_port()}"
    before = platform.subscribers("AuthenticationStatus")
    with session_for(tmp_path, broker.proxy, Client_Endpoints=endpoint) as session:
        for _ in range(3):
            session.connect(platform.address).result(10)
            session.sign_in(*ANA).result(10)
        token = platform.authenticator.tokens[-1]
        wait_until(lambda: platform.subscribers("AuthenticationStatus") == before + 1)
        platform.revoke(token)
        wait_until(lambda: platform.authenticator.tokens[-1] != token)
