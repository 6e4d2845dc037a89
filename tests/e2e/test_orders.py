"""Whatever the order in which services start, they find each other (V04)."""

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import iceflix.auth.service
import iceflix.catalog.service
import iceflix.main.service
import iceflix.streaming.service
from iceflix.contract import Ice, IceFlix
from iceflix.runtime.host import Host
from tests.conftest import ROOT, Eventually, HostMaker

pytestmark = pytest.mark.slow

SERVICES: dict[str, Callable[[Host], None]] = {
    "main": iceflix.main.service.build,
    "auth": iceflix.auth.service.build,
    "catalog": iceflix.catalog.service.build,
    "streaming": iceflix.streaming.service.build,
}


@pytest.fixture(name="home")
def _home(tmp_path: Path) -> Path:
    digest = hashlib.sha256(b"secret").hexdigest()
    (tmp_path / "users.json").write_text(json.dumps({"ana": {"password_hash": digest}}))
    (tmp_path / "media").mkdir()
    shutil.copy2(ROOT / "samples" / "iceflix-sample.mp4", tmp_path / "media")
    return tmp_path


def _works(main: IceFlix.MainPrx) -> bool:
    """Whether a client gets from Main to a controller."""
    try:
        authenticator, catalogue = main.getAuthenticator(), main.getCatalogService()
        assert authenticator is not None and catalogue is not None
        digest = hashlib.sha256(b"secret").hexdigest()
        token = authenticator.refreshAuthorization("ana", digest)
        titles = catalogue.getTilesByName("sample", False)
        if not titles:
            return False
        provider = catalogue.getTile(titles[0]).provider
        assert provider is not None
        controller = provider.getStream(titles[0], token)
        assert controller is not None
        controller.stop()
    except (IceFlix.TemporaryUnavailable, IceFlix.Unauthorized):
        return False
    return True


@pytest.mark.parametrize("order", list(itertools.permutations(SERVICES)), ids="-".join)
@pytest.mark.usefixtures("home")
def test_every_start_order_converges(
    order: tuple[str, ...], make_host: HostMaker, ice: Ice.Communicator, eventually: Eventually
) -> None:
    """A client that knows Main alone gets to a stream."""
    settled = {"Media.SettleSeconds": "0.1"}  # how long a file is looked at is not the point
    hosts = {kind: make_host(kind, SERVICES[kind], settled) for kind in order}
    proxy = ice.stringToProxy(str(hosts["main"].proxy))
    eventually(lambda: _works(IceFlix.MainPrx.uncheckedCast(proxy)), 10)


def test_a_lonely_main_says_so(make_host: HostMaker, ice: Ice.Communicator) -> None:
    """X3, X5: nobody has announced itself."""
    host = make_host("main", SERVICES["main"])
    main = IceFlix.MainPrx.uncheckedCast(ice.stringToProxy(str(host.proxy)))
    with pytest.raises(IceFlix.TemporaryUnavailable):
        main.getAuthenticator()
    with pytest.raises(IceFlix.TemporaryUnavailable):
        main.getCatalogService()
