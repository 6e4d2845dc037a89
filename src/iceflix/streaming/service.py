"""How the streaming service is put together."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from iceflix.contract import Ice, IceFlix
from iceflix.contract.topics import AUTHENTICATION_STATUS, MEDIA_ANNOUNCEMENTS
from iceflix.properties import PROPERTIES
from iceflix.runtime.authority import Authority
from iceflix.runtime.channels import AUTHENTICATOR, PROVIDER
from iceflix.runtime.errors import NotAvailable, SetupError
from iceflix.runtime.host import Host
from iceflix.runtime.settings import Settings
from iceflix.runtime.topics import Publisher
from iceflix.streaming import gst
from iceflix.streaming.cache import Cache
from iceflix.streaming.controller import Bells, Controllers, Judges, Objects, Stage
from iceflix.streaming.librarian import Desk, Librarian, Pace
from iceflix.streaming.library import Medium
from iceflix.streaming.lifetime import Limits, Verdict
from iceflix.streaming.orphans import Orphans
from iceflix.streaming.paced.sender import PacedSender
from iceflix.streaming.pipeline import GstSender
from iceflix.streaming.playback import Studio
from iceflix.streaming.prober import ProberPool
from iceflix.streaming.progress import progress_for_terminal
from iceflix.streaming.provider import Announcer, Provider
from iceflix.streaming.rtsp import door
from iceflix.streaming.rtspserver import RtspServer
from iceflix.streaming.scan import Scanner
from iceflix.streaming.sender import Sender
from iceflix.streaming.servant import ControllerServant, ProviderServant, RevocationServant
from iceflix.streaming.shelf import Shelf

KIND = "streaming"
_SENDERS = ("paced", "gstreamer")
_SWEEP_SECONDS = 30.0
_RINGERS = 4
_WORKERS = 32  # they wait for Authenticators; an idle one costs next to nothing


def media_folder(settings: Settings) -> Path:
    """The folder with the videos; the default one is made. Raises SetupError."""
    folder = settings.path("Media.Folder")
    usual = next(known.default for known in PROPERTIES if known.key == "Media.Folder")
    if settings.text("Media.Folder") == usual.replace("{home}", str(settings.home)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SetupError(f"cannot make the media folder {folder}: {error.strerror}") from error
    if not folder.is_dir():
        wrong = "is not a folder; " if folder.exists() else "does not exist; make it, or "
        raise SetupError(f"the media folder {folder} {wrong}set Media.Folder to another")
    return folder


def scanner_for(settings: Settings, folder: Path, probers: ProberPool) -> Scanner:
    """A scanner as the properties say. Raises SetupError."""
    cache = Cache(settings.path("Media.CacheFile"), folder, gst.version)
    return Scanner(
        cache,
        probers.examine,
        threads=settings.integer("Media.HashThreads"),
        settle_seconds=settings.seconds("Media.SettleSeconds"),
    )


def build(host: Host) -> None:
    """Put the service together in a host. Raises SetupError."""
    folder = media_folder(host.settings)
    workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="streaming")
    announcer = _announcer(host, workers)
    librarian = _librarian(host, folder, announcer)
    check = Authority(host.directory).check
    provider = Provider(librarian, check, announcer)
    judges = Judges(check, lambda token: _vouch(host, token))
    rtsp = _rtsp(host)
    controllers = _controllers(host, _studio(host, librarian, rtsp), judges, workers)
    if rtsp is not None:
        host.on_stop(rtsp.close)
        host.details(lambda: {"rtsp sessions": str(rtsp.sessions)})

    host.announce(PROVIDER, host.publish(ProviderServant(provider, controllers.open)))
    host.topics.subscribe(AUTHENTICATION_STATUS, RevocationServant(controllers.revoked))
    host.topics.on_reconnected(provider.reannounce)
    host.on_reload(librarian.rescan)
    host.on_stop(librarian.stop)
    host.on_stop(lambda: workers.shutdown(wait=False, cancel_futures=True))
    host.details(lambda: _details(librarian, controllers))
    orphans = Orphans()
    host.scheduler.every(_SWEEP_SECONDS, lambda: workers.submit(sweep, host, orphans))
    librarian.start()


def _announcer(host: Host, workers: ThreadPoolExecutor) -> Announcer:
    topic = host.topics.publisher(MEDIA_ANNOUNCEMENTS, IceFlix.StreamAnnouncesPrx)

    def publish(medium: Medium) -> None:
        topic.send(lambda to: to.newMediaAsync(medium.id, medium.title, host.identifier))

    return Announcer(publish, workers)


def _librarian(host: Host, folder: Path, announcer: Announcer) -> Librarian:
    probers = ProberPool()
    desk = Desk(
        folder,
        scanner_for(host.settings, folder, probers),
        probers.close,
        host.scheduler,
        progress_for_terminal(),
        Pace(
            host.settings.seconds("Media.SettleSeconds"),
            host.settings.integer("Media.RescanSeconds"),
            host.settings.flag("Media.Watch"),
        ),
    )
    return Librarian(desk, Shelf(announcer.announce))


def _rtsp(host: Host) -> RtspServer | None:
    """RTSP comes in where Ice does; it begins to listen when somebody asks for it."""
    found = door(host.settings.text("Stream.RtspPort"), _hosts(host.adapter))
    return None if found is None else RtspServer(found, host.settings.integer("Stream.Max"))


def _hosts(adapter: Ice.ObjectAdapter) -> set[str]:
    """Where an object adapter listens; empty: everywhere."""
    found = set()
    for endpoint in adapter.getEndpoints():
        info = endpoint.getInfo()
        while info.underlying is not None:
            info = info.underlying
        found.add(info.host if isinstance(info, Ice.IPEndpointInfo) else "")
    return found


def _studio(host: Host, librarian: Librarian, rtsp: RtspServer | None) -> Studio:
    audio = host.settings.flag("Stream.Audio")
    offer = rtsp.offer if rtsp is not None else None
    return Studio(_sender(host.settings), librarian.find, audio, offer)


def _sender(settings: Settings) -> Sender:
    wanted, reports = settings.text("Stream.Sender"), settings.flag("Stream.Rtcp")
    if wanted not in _SENDERS:
        raise SetupError(f"Stream.Sender must be {' or '.join(_SENDERS)}, not {wanted[:80]!r}")
    pipelines = GstSender()
    return PacedSender(pipelines, reports=reports) if wanted == "paced" else pipelines


def _controllers(
    host: Host, studio: Studio, judges: Judges, workers: ThreadPoolExecutor
) -> Controllers:
    settings = host.settings
    limits = Limits(
        settings.seconds("Auth.TokenSeconds"),
        settings.seconds("Stream.GraceSeconds"),
        settings.seconds("Call.TimeoutSeconds"),
    )
    ringers = ThreadPoolExecutor(_RINGERS, thread_name_prefix="topics")
    bells = Bells(
        lambda topic: _hang(host, topic),
        lambda topic: _bell(host, topic).send(lambda client: client.requestAuthenticationAsync()),
        host.topics.destroy,
        ringers,
    )
    stage = Stage(studio, bells, judges, host.scheduler, workers, limits)
    objects = Objects(lambda controller: host.add(ControllerServant(controller)), host.remove)
    controllers = Controllers(host.identifier, stage, objects, settings.integer("Stream.Max"))
    host.on_stop(controllers.close)
    host.on_stop(studio.sender.close)
    host.on_stop(lambda: ringers.shutdown(wait=False, cancel_futures=True))
    return controllers


def _hang(host: Host, topic: str) -> None:
    host.topics.create(topic)
    if host.topics.connected:
        _bell(host, topic)  # so that ringing it later is one call


def _bell(host: Host, topic: str) -> Publisher[IceFlix.StreamerSyncPrx]:
    return host.topics.publisher(topic, IceFlix.StreamerSyncPrx)


def _vouch(host: Host, token: str) -> Verdict:
    """What the Authenticators say of a token that has been valid once."""
    try:
        valid = host.directory.ask(
            AUTHENTICATOR, lambda proxy: proxy.isAuthorizedAsync(token), accept=bool
        )
    except NotAvailable:
        return Verdict.UNREACHABLE
    return Verdict.VALID if valid else Verdict.INVALID


def _details(librarian: Librarian, controllers: Controllers) -> dict[str, str]:
    playbacks, streams = controllers.counts()
    return {
        "titles": str(len(librarian.media())),
        "playbacks": str(playbacks),
        "streams": str(streams),
    }


def sweep(host: Host, orphans: Orphans) -> None:
    """Remove the topics of controllers whose provider is dead."""
    if not host.topics.connected:
        return
    alive = {known.id for known in host.directory.all(PROVIDER)} | {host.identifier}
    for topic in orphans.sweep(host.topics.names(), alive, time.monotonic()):
        host.topics.destroy(topic)
