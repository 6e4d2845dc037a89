"""A StreamProvider in the test's process, with one video, and foreigners who use it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from iceflix.contract import Ice, IceFlix
from iceflix.runtime.host import Host
from iceflix.streaming.service import build
from tests.conftest import Broker, HostMaker
from tests.media.foreign import Foreigners, take


@dataclass
class Staged:
    """The service, and a medium of its."""

    host: Host
    provider: IceFlix.StreamProviderPrx
    foreigners: Foreigners
    media: str

    def open(self, token: str | None = None) -> IceFlix.PlaybackControlPrx:
        """A controller, with everything that it answers."""
        found = self.provider.getStream(self.media, token or self.token())
        control = IceFlix.PlaybackControlPrx.checkedCast(found)
        assert control is not None
        return control

    def token(self, seconds: float = 3600.0) -> str:
        """A token that lives so long."""
        return self.foreigners.authenticator.issue(seconds)


@dataclass(frozen=True)
class Stage:
    """What a service is staged with."""

    make_host: HostMaker
    ice: Ice.Communicator
    broker: Broker
    folder: Path

    @contextmanager
    def play(self, clip: Path, properties: dict[str, str] | None = None) -> Iterator[Staged]:
        """A service that has this clip."""
        self.folder.mkdir(exist_ok=True)
        shutil.copy(clip, self.folder / clip.name)
        usual = {"Media.Folder": str(self.folder), "Media.SettleSeconds": "0.1"}
        with Foreigners(self.ice, self.broker) as foreigners:
            announced = foreigners.listen("MediaAnnouncements", IceFlix.StreamAnnounces, "newMedia")
            host = self.make_host("streaming", build, {**usual, **(properties or {})})
            proxy = self.ice.stringToProxy(str(host.proxy))
            provider = IceFlix.StreamProviderPrx.checkedCast(proxy)
            assert provider is not None
            media = str(take(announced, 20)[1])
            foreigners.accepted(provider, media)
            yield Staged(host, provider, foreigners, media)


def gone(controller: Ice.ObjectPrx) -> bool:
    """Whether the object does not exist any more."""
    try:
        controller.ice_ping()
    except Ice.ObjectNotExistException:
        return True
    return False
