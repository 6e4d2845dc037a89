"""The Authenticator's contract, on the servant itself and over the wire (V14-V17)."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from iceflix.auth.authenticator import Policy
from iceflix.auth.passwords import digest
from iceflix.auth.servant import AuthenticatorServant
from iceflix.contract import Ice, IceFlix
from iceflix.runtime.communicator import initialize
from iceflix.runtime.settings import Settings
from tests.unit.auth.stage import SECRET, Stage, write_users

OTHER = digest(b"other")


class Direct:
    """Calls the servant as Ice would, without a wire."""

    def __init__(self, servant: AuthenticatorServant) -> None:
        self._servant = servant

    def sign_in(self, user: str, password_hash: str) -> str:
        """refreshAuthorization, waiting for an answer that comes later."""
        answer: Any = self._servant.refreshAuthorization(user, password_hash, None)
        return str(answer.result(10)) if isinstance(answer, Ice.Future) else str(answer)

    def is_authorized(self, token: str) -> bool:
        """isAuthorized."""
        return self._servant.isAuthorized(token, None)


class Wire:
    """Calls the servant through a proxy of another communicator."""

    def __init__(self, proxy: IceFlix.AuthenticatorPrx) -> None:
        self.proxy = proxy

    def sign_in(self, user: str, password_hash: str) -> str:
        """refreshAuthorization."""
        return self.proxy.refreshAuthorization(user, password_hash)

    def is_authorized(self, token: str) -> bool:
        """isAuthorized."""
        return self.proxy.isAuthorized(token)


Serve = Callable[[AuthenticatorServant], Wire]


@pytest.fixture(name="stage")
def fixture_stage() -> Stage:
    """Time in the test's hands."""
    return Stage()


@pytest.fixture(name="users")
def fixture_users(tmp_path: Path) -> Path:
    """A credentials file with ana (secret) and a user without a hash."""
    path = tmp_path / "users.json"
    path.write_text(f'{{"ana": {{"password_hash": "{SECRET}"}}, "leo": {{}}}}', encoding="utf-8")
    return path


@pytest.fixture(name="serve")
def fixture_serve(tmp_path: Path, ice: Ice.Communicator) -> Iterator[Serve]:
    """Put a servant on the wire, with the settings that our services have."""
    server = initialize(Settings.of(tmp_path))
    adapter = server.createObjectAdapterWithEndpoints("Authenticator", "tcp")
    adapter.activate()

    def put(servant: AuthenticatorServant) -> Wire:
        proxy = ice.stringToProxy(str(adapter.addWithUUID(servant)))
        checked = IceFlix.AuthenticatorPrx.checkedCast(proxy)
        assert checked is not None
        return Wire(checked)

    yield put
    server.destroy()


@pytest.fixture(name="face", params=["direct", "wire"])
def fixture_face(
    request: pytest.FixtureRequest, stage: Stage, users: Path, serve: Serve
) -> Direct | Wire:
    """The same Authenticator behind either face."""
    servant = AuthenticatorServant(stage.authenticator(users))
    return Direct(servant) if request.param == "direct" else serve(servant)


def test_signing_in_gives_a_new_valid_token_each_time(face: Direct | Wire) -> None:
    """V14."""
    tokens = {face.sign_in("ana", SECRET) for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) > 40 and token.isascii() for token in tokens)
    assert all(face.is_authorized(token) for token in tokens)


@pytest.mark.parametrize(
    ("user", "password_hash"),
    [
        ("ana", OTHER),
        ("ana", ""),
        ("ana", "secret"),
        ("ana", SECRET.upper()),
        ("ana", SECRET + " "),
        ("ana", "x" * 900_000),
        ("nobody", SECRET),
        ("", ""),
        ("", SECRET),
        ("ANA", SECRET),
        ("leo", ""),
        ("leo", SECRET),
        ("ñ" * 400_000, SECRET),
        ("a\0na", SECRET),
    ],
)
def test_wrong_credentials_are_unauthorized(
    face: Direct | Wire, user: str, password_hash: str
) -> None:
    """V15."""
    with pytest.raises(IceFlix.Unauthorized):
        face.sign_in(user, password_hash)


def test_only_the_token_itself_is_authorized(face: Direct | Wire) -> None:
    """V16: never an exception."""
    token = face.sign_in("ana", SECRET)
    last = [f"{token[:-1]}{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh0123456789-_"]
    impostors = ["", " ", ".", "x", token[:-1], token[1:], token.upper(), token.lower()]
    impostors += [token.swapcase(), f"{token} ", f"{token}=", "ñ" * 100, "x" * 900_000]
    for impostor in impostors + [text for text in last if text != token]:
        assert face.is_authorized(impostor) is False
    assert face.is_authorized(token) is True


def test_a_token_expires_on_time_and_is_revoked_once(face: Direct | Wire, stage: Stage) -> None:
    """V17, V18, V19."""
    first = face.sign_in("ana", SECRET)
    stage.wait(10.0)
    second = face.sign_in("ana", SECRET)
    stage.wait(19.0)
    assert face.is_authorized(first)
    assert not stage.revoked
    stage.wait(2.0)
    assert not face.is_authorized(first)
    assert face.is_authorized(second)
    assert stage.revoked == [first]
    stage.wait(8.0)
    assert face.is_authorized(second)
    stage.wait(2.0)
    assert not face.is_authorized(second)
    assert stage.revoked == [first, second]
    assert face.is_authorized("") is False


def test_after_thousands_of_expiries_nothing_has_become_valid(
    face: Direct | Wire, stage: Stage
) -> None:
    """V16."""
    tokens = [face.sign_in("ana", SECRET) for _ in range(2000)]
    stage.wait(40.0)
    assert not any(face.is_authorized(token) for token in [*tokens, ""])
    assert stage.revoked == tokens


def test_slow_refusals_hold_no_thread_and_delay_no_right_password(
    stage: Stage, users: Path, serve: Serve
) -> None:
    """Many more refusals wait than there are threads; everything else is answered meanwhile."""
    authenticator = stage.authenticator(users, policy=Policy(30.0, 0))
    proxy = serve(AuthenticatorServant(authenticator)).proxy
    refusals = [proxy.refreshAuthorizationAsync("ana", OTHER) for _ in range(100)]
    token = proxy.refreshAuthorization("ana", SECRET)
    assert proxy.isAuthorized(token)
    assert not refusals[-1].done(), "it waits for seconds"
    with pytest.raises(IceFlix.Unauthorized):
        refusals[0].result(10)


def test_calls_from_many_threads(serve: Serve, stage: Stage, users: Path) -> None:
    """While the credentials file keeps changing."""
    proxy = serve(AuthenticatorServant(stage.authenticator(users))).proxy
    failures: list[str] = []

    def work(number: int) -> None:
        for _ in range(30):
            token = proxy.refreshAuthorization("ana", SECRET)
            if not proxy.isAuthorized(token):
                failures.append(f"thread {number}: {len(token)}")

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for number in range(30):
        fresh = users.with_suffix(".new")
        write_users(fresh, ana="secret", **{f"user{number}": "x"})
        fresh.replace(users)
    for worker in workers:
        worker.join()
    assert not failures
