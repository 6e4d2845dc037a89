"""Main before real Authenticators that die, hang and come back (V04, V06-V08, V53, V55)."""

import functools
import hashlib
import signal
import time
from pathlib import Path

import pytest

from iceflix.auth import admin
from iceflix.contract import Ice, IceFlix
from iceflix.main import service
from tests.conftest import Eventually, HostMaker, ProcessStarter, freeze
from tests.integration.test_auth_process import Start
from tests.integration.test_auth_process import authenticator as authenticator_of

pytestmark = [pytest.mark.slow, pytest.mark.serial]

SECRET = hashlib.sha256(b"secret").hexdigest()
GiveUp = IceFlix.TemporaryUnavailable


@pytest.fixture(name="main")
def fixture_main(make_host: HostMaker, ice: Ice.Communicator) -> IceFlix.MainPrx:
    """Main, found under its well-known identity."""
    host = make_host("main", service.build)
    proxy = ice.stringToProxy(f"IceFlix/Main:{host.adapter.getEndpoints()[0].toString()}")
    main = IceFlix.MainPrx.checkedCast(proxy)
    assert main is not None
    return main


@pytest.fixture(name="start")
def fixture_start(tmp_path: Path, start_process: ProcessStarter) -> Start:
    """Start Authenticators that know ana (secret)."""
    admin.put_user(tmp_path / "users.json", "ana", SECRET)
    return functools.partial(start_process, "auth")


def given(main: IceFlix.MainPrx, times: int = 30) -> set[str]:
    """Whom Main names, asked so many times; nobody counts too, and each answer takes < 5 s."""
    names: set[str] = set()
    for _ in range(times):
        started = time.monotonic()
        try:
            proxy = main.getAuthenticator()
            assert proxy is not None
            names.add(proxy.ice_getIdentity().name)
        except GiveUp:
            names.add("nobody")
        assert time.monotonic() - started < 5
    return names


def test_a_client_needs_main_only(
    start: Start, main: IceFlix.MainPrx, eventually: Eventually
) -> None:
    """V53, V55: nobody at first; then whoever comes."""
    assert given(main) == {"nobody"}
    with pytest.raises(GiveUp):
        main.getCatalogService()
    start()
    eventually(lambda: "nobody" not in given(main, 1), 20)
    authenticator = main.getAuthenticator()
    assert authenticator is not None
    assert authenticator.isAuthorized(authenticator.refreshAuthorization("ana", SECRET))
    with pytest.raises(GiveUp):
        main.getCatalogService()


def test_the_dead_are_never_named(
    start: Start,
    main: IceFlix.MainPrx,
    ice: Ice.Communicator,
    eventually: Eventually,
) -> None:
    """V06, V07, V53: three, one, none."""
    processes = [start() for _ in range(3)]
    names = [authenticator_of(process, ice).ice_getIdentity().name for process in processes]
    eventually(lambda: given(main) == set(names), 20)
    for process in processes[:2]:
        process.popen.kill()
    eventually(lambda: given(main) == {names[2]}, 5)
    assert given(main, 50) == {names[2]}
    processes[2].popen.kill()
    eventually(lambda: given(main) == {"nobody"}, 5)


def test_the_hung_are_not_named_until_they_go_on(
    start: Start,
    main: IceFlix.MainPrx,
    ice: Ice.Communicator,
    eventually: Eventually,
) -> None:
    """V08."""
    processes = [start() for _ in range(2)]
    names = [authenticator_of(process, ice).ice_getIdentity().name for process in processes]
    eventually(lambda: given(main) == set(names), 20)
    freeze(processes[0].popen.pid)
    eventually(lambda: given(main) == {names[1]}, 5)
    assert given(main, 50) == {names[1]}
    freeze(processes[1].popen.pid)
    eventually(lambda: given(main) == {"nobody"}, 5)
    for process in processes:
        process.popen.send_signal(signal.SIGCONT)
    eventually(lambda: given(main) == set(names), 20)
