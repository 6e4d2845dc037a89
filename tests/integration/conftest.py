"""What the integration tests of streams share: clips, both senders, a stage, foreign services."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from iceflix.contract import Ice
from iceflix.streaming.pipeline import GstSender
from iceflix.streaming.sender import Sender
from tests.conftest import Broker, HostMaker
from tests.media.clips import Clips
from tests.media.foreign import Foreigners
from tests.media.playing import SENDERS
from tests.media.staging import Stage


@pytest.fixture(name="clips", scope="session")
def _clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """Videos, each made when it is asked for first. Whoever changes one takes a copy."""
    return Clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(name="sender", params=list(SENDERS))
def _sender(request: pytest.FixtureRequest) -> Iterator[Sender]:
    """Each of the two senders."""
    sender = SENDERS[request.param]()
    yield sender
    sender.close()


@pytest.fixture(name="pipelines")
def _pipelines() -> Iterator[GstSender]:
    """The sender that knows every format."""
    sender = GstSender()
    yield sender
    sender.close()


@pytest.fixture(name="stage")
def _stage(make_host: HostMaker, ice: Ice.Communicator, broker: Broker, tmp_path: Path) -> Stage:
    """What a service in this process is staged with."""
    return Stage(make_host, ice, broker, tmp_path / "media")


@pytest.fixture(name="foreigners")
def _foreigners(ice: Ice.Communicator, broker: Broker) -> Iterator[Foreigners]:
    """An Authenticator and clients that somebody else wrote."""
    with Foreigners(ice, broker) as foreigners:
        yield foreigners
