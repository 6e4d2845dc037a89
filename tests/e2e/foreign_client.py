"""A client of IceFlix by somebody who has the Slice file and nothing else of the project.

It walks through the criteria by which implementations of the specification are marked, X1 to X29,
and prints one JSON line for each: ``{"criterion": "X7", "passed": true, "detail": ""}``. Run by
``test_criteria.py``; by hand::

    foreign_client.py SLICE_FILE SETTING=VALUE ...      see ``World`` for the settings
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import importlib
import json
import pathlib
import queue
import shutil
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

Ice = importlib.import_module("Ice")
IceStorm = importlib.import_module("IceStorm")

TOKEN_SECONDS = 30.0
GRACE_SECONDS = 10.0


def sha256(text: str) -> str:
    """Lower-case hexadecimal digest of the UTF-8 text."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclasses.dataclass
class World:
    """Where things are; every field is a setting on the command line."""

    # pylint: disable=too-many-instance-attributes  # nine settings and what is made of them

    main: str
    topic_manager: str
    user: str
    password: str
    media: str
    new_video: str
    add_user: str
    reload_media: str
    streaming_pid: str

    def __post_init__(self) -> None:
        self.ice = Ice.initialize(["--Ice.Override.Timeout=5000", "--Ice.RetryIntervals=-1"])
        self.slice = importlib.import_module("IceFlix")
        self.adapter = self.ice.createObjectAdapterWithEndpoints("foreign", "tcp -h 127.0.0.1")
        self.adapter.activate()
        manager = self.ice.stringToProxy(self.topic_manager)
        self.topics = IceStorm.TopicManagerPrx.checkedCast(manager)
        self.main_prx = self.slice.MainPrx.checkedCast(self.ice.stringToProxy(self.main))

    def listen(self, topic: str, interface: Any) -> "queue.Queue[tuple[Any, ...]]":
        """Subscribe to a topic; every event is put into the queue: (operation, *arguments)."""
        events: queue.Queue[tuple[Any, ...]] = queue.Queue()

        def handler(name: str) -> Callable[..., None]:
            return lambda _self, *arguments: events.put((name, *arguments[:-1]))

        names = [name[4:] for name in dir(interface) if name.startswith("_op_")]
        names = [name for name in names if not name.startswith("ice_")]
        servant = type("Listener", (interface,), {name: handler(name) for name in names})()
        try:
            there = self.topics.retrieve(topic)
        except IceStorm.NoSuchTopic:
            there = self.topics.create(topic)
        there.subscribeAndGetPublisher({}, self.adapter.addWithUUID(servant))
        return events

    def login(self) -> str:
        """Return a new token."""
        hashed = sha256(self.password)
        return str(self.main_prx.getAuthenticator().refreshAuthorization(self.user, hashed))


def playable(world: World) -> Any:
    """Return a title that has a provider now."""
    catalogue = world.main_prx.getCatalogService()
    for identifier in catalogue.getTilesByName("sample", False):
        try:
            return catalogue.getTile(identifier)
        except world.slice.TemporaryUnavailable:
            continue
    raise AssertionError("nothing can be played")


def has_begun(world: World) -> bool:
    """Whether there is something to play: titles come when the files have rested for a while."""
    try:
        return bool(playable(world))
    except (AssertionError, world.slice.TemporaryUnavailable):
        return False


def take(events: "queue.Queue[tuple[Any, ...]]", name: str, seconds: float) -> tuple[Any, ...]:
    """Wait for an event with this name."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            got = events.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise AssertionError(f"no {name} within {seconds} s") from None
        if got[0] == name:
            return got


def raises(exception: type[BaseException], call: Callable[[], Any]) -> Any:
    """Check that the call raises just this; return the exception."""
    try:
        answer = call()
    except exception as caught:
        return caught
    except Ice.Exception as caught:
        raise AssertionError(f"{type(caught).__name__} instead of {exception.__name__}") from None
    raise AssertionError(f"{answer!r} instead of {exception.__name__}")


def eventually(check: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll until it holds."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


class Receiver:
    """A UDP port that receives RTP."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]

    def packet(self, seconds: float) -> bytes | None:
        """Return the next packet, None if none comes in time."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(65536)
        except TimeoutError:
            return None

    def flush(self) -> None:
        """Forget what has arrived so far."""
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self.socket.recv(65536):
                pass

    def silent(self, within: float) -> bool:
        """Whether packets cease within so many seconds: none for half a second."""
        deadline = time.monotonic() + within
        quiet_since = time.monotonic()
        while time.monotonic() < deadline + 0.5:
            if self.packet(0.1) is not None:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since >= 0.5:
                return True
        return False


CRITERIA: dict[str, Callable[[World], None]] = {}
PATIENT: set[Callable[[World], None]] = set()  # these mostly wait: at the end, all at once


def criterion(
    *names: str, patient: bool = False
) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    """Register a check for one or more criteria."""

    def register(check: Callable[[World], None]) -> Callable[[World], None]:
        for name in names:
            CRITERIA[name] = check
        if patient:
            PATIENT.add(check)
        return check

    return register


@criterion("X1")
def main_starts_and_listens(world: World) -> None:
    """Main answers and is a subscriber of ServiceAvailability."""
    assert world.main_prx.ice_isA("::IceFlix::Main")
    topic = world.topics.retrieve("ServiceAvailability")
    assert len(topic.getSubscribers()) >= 4


@criterion("X2", "X4")
def main_gives_services(world: World) -> None:
    """Main gives an Authenticator and a catalogue."""
    authenticator = world.main_prx.getAuthenticator()
    assert authenticator.ice_isA("::IceFlix::Authenticator")
    assert world.main_prx.getCatalogService().ice_isA("::IceFlix::MediaCatalog")


@criterion("X21", patient=True)
def services_announce_themselves(world: World) -> None:
    """Each kind is heard within an interval, always under the same id."""
    events = world.listen("ServiceAvailability", world.slice.ServiceAvailability)
    heard: dict[str, set[str]] = {}
    deadline = time.monotonic() + 13
    while time.monotonic() < deadline:
        try:
            name, proxy, identifier = events.get(timeout=1)
        except queue.Empty:
            continue
        proxy.ice_ping()
        heard.setdefault(name, set()).add(identifier)
    assert set(heard) == {"authenticationService", "catalogService", "mediaService"}, heard
    assert all(len(identifiers) == 1 for identifiers in heard.values()), heard


@criterion("X7", "X9")
def tokens_are_issued_and_recognised(world: World) -> None:
    """A right password gives new tokens; only they are authorised."""
    authenticator = world.main_prx.getAuthenticator()
    one, two = world.login(), world.login()
    assert one and two and one != two
    assert authenticator.isAuthorized(one) and authenticator.isAuthorized(two)
    wrong = ("", "x", one[:-1], one + "x", one.swapcase(), one.upper())
    assert not any(authenticator.isAuthorized(token) for token in wrong)


@criterion("X8")
def wrong_credentials_are_refused(world: World) -> None:
    """Whatever is wrong with them."""
    authenticator = world.main_prx.getAuthenticator()
    hashed = sha256(world.password)
    wrong = [(world.user, sha256("no")), ("nobody", hashed), (world.user, ""), ("", "")]
    wrong += [(world.user, world.password), (world.user, hashed.upper())]
    for user, password_hash in wrong:
        raises(
            world.slice.Unauthorized,
            functools.partial(authenticator.refreshAuthorization, user, password_hash),
        )


@criterion("X10", "X11", patient=True)
def tokens_expire_and_are_revoked(world: World) -> None:
    """Thirty seconds, one revocation, whatever it was used for."""
    events = world.listen("AuthenticationStatus", world.slice.TokenRevocation)
    authenticator = world.main_prx.getAuthenticator()
    token = world.login()
    issued = time.monotonic()
    while time.monotonic() < issued + TOKEN_SECONDS - 1:
        assert authenticator.isAuthorized(token), f"after {time.monotonic() - issued:.1f} s"
        time.sleep(1 if time.monotonic() < issued + 27 else 0.1)
    revoked: list[float] = []
    while time.monotonic() < issued + TOKEN_SECONDS + 2:
        try:
            if events.get(timeout=0.2)[1] == token:
                revoked.append(time.monotonic() - issued)
        except queue.Empty:
            continue
    assert len(revoked) == 1, revoked
    assert TOKEN_SECONDS - 1 <= revoked[0] <= TOKEN_SECONDS + 1, revoked
    assert not authenticator.isAuthorized(token)
    title = playable(world)
    catalogue = world.main_prx.getCatalogService()
    unauthorized = world.slice.Unauthorized
    raises(unauthorized, lambda: catalogue.renameTile(title.id, "no", token))
    raises(unauthorized, lambda: catalogue.addTags(title.id, ["no"], token))
    raises(unauthorized, lambda: catalogue.removeTags(title.id, ["no"], token))
    raises(unauthorized, lambda: title.provider.getStream(title.id, token))


@criterion("X6")
def users_are_added_without_stopping(world: World) -> None:
    """add_user, then log in at once."""
    authenticator = world.main_prx.getAuthenticator()
    name, password = 'Ñandú "el quinto"', "contraseña\t'1'"
    subprocess.run([world.add_user, name, password], check=True, capture_output=True, timeout=60)

    def known() -> bool:
        try:
            return bool(authenticator.refreshAuthorization(name, sha256(password)))
        except world.slice.Unauthorized:
            return False

    eventually(known, 1.0, "the new user can log in")
    assert world.login()


@criterion("X12", "X13")
def titles_are_described(world: World) -> None:
    """Without a token; an unknown id is named in the exception."""
    title = playable(world)
    assert title.info.name and title.provider.isAvailable(title.id)
    catalogue = world.main_prx.getCatalogService()
    wrong = raises(world.slice.WrongMediaId, lambda: catalogue.getTile("nonsense"))
    assert wrong.id == "nonsense"


@criterion("X15", "X16", "X17", "X18", "X19")
def the_catalogue_is_searched_and_edited(world: World) -> None:
    """Names and tags, exact and not, one and all; every refusal."""
    catalogue = world.main_prx.getCatalogService()
    title, token = playable(world), world.login()
    ids = [title.id]
    catalogue.renameTile(title.id, "El Niño_100%", token)
    assert catalogue.getTile(title.id).info.name == "El Niño_100%"
    assert catalogue.getTilesByName("EL NIÑO_100%", True) == ids
    assert catalogue.getTilesByName("El", True) == []
    for part in ("niño", "NIÑO_1", "%", "_", "O_100%", ""):
        assert title.id in catalogue.getTilesByName(part, False), part
    for part in ("niño%", "N_ño", "nothing like it"):
        assert title.id not in catalogue.getTilesByName(part, False), part
    catalogue.addTags(title.id, ["Drama", "red, green", "Drama"], token)
    assert sorted(catalogue.getTile(title.id).info.tags) == ["Drama", "red, green"]
    assert catalogue.getTilesByTags(["drama"], True) == ids
    assert catalogue.getTilesByTags(["DRAMA", "red, green"], True) == ids
    assert catalogue.getTilesByTags(["Drama", "other"], True) == []
    assert catalogue.getTilesByTags(["Drama", "other"], False) == ids
    assert catalogue.getTilesByTags([], True) == catalogue.getTilesByTags([], False) == []
    catalogue.removeTags(title.id, ["Drama", "not there"], token)
    assert catalogue.getTile(title.id).info.tags == ["red, green"]
    catalogue.removeTags(title.id, ["red, green"], token)
    catalogue.renameTile(title.id, title.info.name, token)
    edits: list[Callable[[str, str], None]] = [
        lambda i, t: catalogue.renameTile(i, "x", t),
        lambda i, t: catalogue.addTags(i, ["x"], t),
        lambda i, t: catalogue.removeTags(i, ["x"], t),
    ]
    for edit in edits:
        raises(world.slice.Unauthorized, functools.partial(edit, title.id, "bad token"))
        raises(world.slice.Unauthorized, functools.partial(edit, "bad id", "bad token"))
        wrong = raises(world.slice.WrongMediaId, functools.partial(edit, "bad id", token))
        assert wrong.id == "bad id"


@criterion("X14", "X20")
def announcements_make_titles(world: World) -> None:
    """A title without a live provider is known, but temporarily unavailable."""
    topic = world.topics.retrieve("MediaAnnouncements").getPublisher()
    announces = world.slice.StreamAnnouncesPrx.uncheckedCast(topic)
    announces.newMedia("abc123", "Announced by a stranger", "no such provider")
    catalogue = world.main_prx.getCatalogService()
    eventually(
        lambda: catalogue.getTilesByName("announced BY a stranger", True) == ["abc123"],
        5,
        "the announced title is found",
    )
    raises(world.slice.TemporaryUnavailable, lambda: catalogue.getTile("abc123"))
    assert "abc123" in catalogue.getTilesByName("", False)


@criterion("X22", "X23")
def media_are_announced_again(world: World) -> None:
    """On reannounceMedia every title comes again, under the provider's id."""
    events = world.listen("MediaAnnouncements", world.slice.StreamAnnounces)
    services = world.listen("ServiceAvailability", world.slice.ServiceAvailability)
    title = playable(world)
    _, _, provider_id = take(services, "mediaService", 8)
    title.provider.reannounceMedia()
    _, identifier, _, sender = take(events, "newMedia", 5)
    assert len(identifier) == 64 and identifier == identifier.lower()
    assert sender == provider_id


@criterion("X24")
def media_are_reloaded_without_interruption(world: World) -> None:
    """A new file is announced once, the process stays, a running stream goes on."""
    receiver = Receiver()
    token, title = world.login(), playable(world)
    controller = title.provider.getStream(title.id, token)
    controller.getSDP(token, receiver.port)
    assert receiver.packet(5)
    events = world.listen("MediaAnnouncements", world.slice.StreamAnnounces)
    shutil.copy(world.new_video, pathlib.Path(world.media) / "brand new.mp4")
    subprocess.run([world.reload_media], check=True, capture_output=True, timeout=60)
    expected = hashlib.sha256(pathlib.Path(world.new_video).read_bytes()).hexdigest()
    got = take(events, "newMedia", 20)
    assert got[1:3] == (expected, "brand new"), got
    time.sleep(3)
    assert events.empty(), "announced more than once, or more than the new one"
    pathlib.Path(f"/proc/{world.streaming_pid}").stat()
    assert receiver.packet(1), "the running stream was interrupted"
    controller.stop()


@criterion("X25")
def streams_are_made(world: World) -> None:
    """A controller of one's own; refusals in the right order."""
    token, title = world.login(), playable(world)
    one = title.provider.getStream(title.id, token)
    two = title.provider.getStream(title.id, token)
    assert one.ice_getIdentity() != two.ice_getIdentity()
    assert one.getSyncTopic() != two.getSyncTopic()
    world.topics.retrieve(one.getSyncTopic())
    wrong = raises(world.slice.WrongMediaId, lambda: title.provider.getStream("no", token))
    assert wrong.id == "no"
    raises(world.slice.Unauthorized, lambda: title.provider.getStream(title.id, "no"))
    raises(world.slice.Unauthorized, lambda: title.provider.getStream("no", "no"))
    one.stop()
    two.stop()


@criterion("X26")
def video_flows(world: World) -> None:
    """SDP with the port; RTP version 2, payload type 96, within two seconds."""
    receiver = Receiver()
    token, title = world.login(), playable(world)
    controller = title.provider.getStream(title.id, token)
    raises(world.slice.Unauthorized, lambda: controller.getSDP("no", receiver.port))
    sdp = controller.getSDP(token, receiver.port)
    lines = sdp.splitlines()
    assert f"m=video {receiver.port} RTP/AVP 96" in lines, sdp
    for kind in ("v=", "o=", "s=", "c=", "t=", "a=rtpmap:96 H264/90000"):
        assert any(line.startswith(kind) for line in lines), (kind, sdp)
    packet = receiver.packet(2)
    assert packet and packet[0] >> 6 == 2 and packet[1] & 0x7F == 96
    controller.stop()


@criterion("X29")
def streams_stop(world: World) -> None:
    """Packets cease, the object and its topic go."""
    receiver = Receiver()
    token, title = world.login(), playable(world)
    controller = title.provider.getStream(title.id, token)
    controller.getSDP(token, receiver.port)
    topic = controller.getSyncTopic()
    assert receiver.packet(2)
    controller.stop()
    assert receiver.silent(1), "packets after stop"
    raises(Ice.ObjectNotExistException, controller.stop)
    raises(Ice.ObjectNotExistException, controller.getSyncTopic)

    def gone() -> bool:
        try:
            world.topics.retrieve(topic)
        except IceStorm.NoSuchTopic:
            return True
        return False

    eventually(gone, 5, "the stream's topic is destroyed")


@criterion("X27", "X28", patient=True)
def authority_is_renewed_or_the_stream_ends(world: World) -> None:
    """Asked at expiry; renewed it goes on, a bad token is refused, unrenewed it ends after ten."""
    receivers = [Receiver(), Receiver()]
    token, title = world.login(), playable(world)
    issued = time.monotonic()
    controllers = [title.provider.getStream(title.id, token) for _ in receivers]
    asked = [world.listen(each.getSyncTopic(), world.slice.StreamerSync) for each in controllers]
    for controller, receiver in zip(controllers, receivers, strict=True):
        controller.getSDP(token, receiver.port)
    renewed, abandoned = controllers
    take(asked[0], "requestAuthentication", TOKEN_SECONDS + 3)
    elapsed = time.monotonic() - issued
    assert TOKEN_SECONDS - 1 <= elapsed <= TOKEN_SECONDS + 2, elapsed
    take(asked[1], "requestAuthentication", 2)
    asked_at = time.monotonic()
    raises(world.slice.Unauthorized, lambda: renewed.refreshAuthentication("no"))
    raises(world.slice.Unauthorized, lambda: renewed.refreshAuthentication(token))
    renewed.refreshAuthentication(world.login())
    raises(world.slice.Unauthorized, lambda: abandoned.refreshAuthentication("no"))
    while time.monotonic() < asked_at + GRACE_SECONDS - 1.2:
        abandoned.ice_ping()
        assert receivers[1].packet(0.5), "ended before the grace was over"
    time.sleep(max(0.0, asked_at + GRACE_SECONDS + 1.2 - time.monotonic()))
    raises(Ice.ObjectNotExistException, abandoned.getSyncTopic)
    receivers[1].flush()
    assert receivers[1].packet(0.5) is None
    receivers[0].flush()
    assert receivers[0].packet(1), "the renewed stream goes on"
    take(asked[0], "requestAuthentication", TOKEN_SECONDS + 3)
    renewed.refreshAuthentication(world.login())
    renewed.stop()


def outcome(world: World, check: Callable[[World], None]) -> str:
    """What is wrong, with a traceback; nothing when all is well."""
    try:
        check(world)
    except Exception:  # noqa: BLE001  pylint: disable=broad-exception-caught
        return traceback.format_exc()
    return ""


def main(arguments: list[str]) -> int:
    """Walk through all criteria; the exit code is the number that failed."""
    Ice.loadSlice("", [arguments[0]])
    world = World(**dict(pair.split("=", 1) for pair in arguments[1:]))
    with contextlib.suppress(AssertionError):  # the criteria tell what is missing
        eventually(lambda: has_begun(world), 30, "a title can be played")
    checks = dict.fromkeys(CRITERIA.values())
    wrong = {check: outcome(world, check) for check in checks if check not in PATIENT}
    with concurrent.futures.ThreadPoolExecutor(len(PATIENT)) as pool:
        waiting = {check: pool.submit(outcome, world, check) for check in PATIENT}
    wrong |= {check: future.result() for check, future in waiting.items()}
    for name, check in CRITERIA.items():
        line = {"criterion": name, "passed": not wrong[check], "detail": wrong[check]}
        print(json.dumps(line), flush=True)
    world.ice.destroy()
    return sum(bool(wrong[check]) for check in CRITERIA.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
