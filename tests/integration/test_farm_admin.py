"""User administrator and Authenticator together: users and clocks (F04, F17-F21)."""

import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from iceflix.auth import service as auth
from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import INVALID_REQUEST, NO_SERVERS, NOT_AUTHORIZED
from iceflix.farm.useradmin import service as useradmin
from iceflix.runtime.adminkey import obtain_key, read_key
from iceflix.runtime.channels import AUTHENTICATOR
from iceflix.runtime.errors import SetupError
from iceflix.runtime.host import Host
from iceflix.runtime.mailaddress import is_mail_address
from tests.conftest import ROOT, Eventually, HostMaker

pytestmark = pytest.mark.slow
HASH = hashlib.sha256(b"secret").hexdigest()


@pytest.fixture(name="pair")
def _pair(
    make_host: HostMaker, tmp_path: Path, ice: Ice.Communicator, eventually: Eventually
) -> tuple[IceFlix.UserAdminPrx, IceFlix.AuthenticatorPrx, str]:
    """A user administrator, an Authenticator with users.csv, the key."""
    (tmp_path / "users.csv").write_text("user,password_hash\n")
    file = {"Auth.File": str(tmp_path / "users.csv"), "Clock.RetrySeconds": "0.1"}
    authenticator = make_host("auth", auth.build, {**file, "Clock.SkewSeconds": "-3"})
    admin = make_host("useradmin", useradmin.build, {"Clock.RetrySeconds": "0.1"})
    eventually(lambda: admin.directory.all(AUTHENTICATOR))
    return (
        IceFlix.UserAdminPrx.uncheckedCast(_foreign(ice, admin)),
        IceFlix.AuthenticatorPrx.uncheckedCast(_foreign(ice, authenticator)),
        read_key(tmp_path / "admin.key"),
    )


def _foreign(ice: Ice.Communicator, host: Host) -> Ice.ObjectPrx:
    """The host's object as somebody else sees it."""
    proxy = ice.stringToProxy(str(host.proxy))
    assert proxy is not None
    return proxy


Pair = tuple[IceFlix.UserAdminPrx, IceFlix.AuthenticatorPrx, str]


def _denied(reason: str, call: object, *arguments: str) -> None:
    assert callable(call)
    with pytest.raises(IceFlix.Denied) as refused:
        call(*arguments)
    assert refused.value.reason == reason
    assert refused.value.detail


def test_an_added_user_signs_in_at_once_and_survives(pair: Pair, tmp_path: Path) -> None:
    """F18."""
    admin, authenticator, key = pair
    admin.addUser(key, "ana@example.org", HASH)
    assert authenticator.refreshAuthorization("ana@example.org", HASH)
    assert (tmp_path / "users.csv").read_text() == f"user,password_hash\nana@example.org,{HASH}\n"
    assert admin.users(key) == ["ana@example.org"]
    _denied(INVALID_REQUEST, admin.addUser, key, "ana@example.org", HASH)
    other = HASH[::-1]
    admin.putUser(key, "ana@example.org", other)
    assert authenticator.refreshAuthorization("ana@example.org", other)
    admin.putUser(key, "ana@example.org", HASH)
    with pytest.raises(IceFlix.Unauthorized):
        authenticator.refreshAuthorization("ana@example.org", other)
    admin.removeUser(key, "ana@example.org")
    with pytest.raises(IceFlix.Unauthorized):
        authenticator.refreshAuthorization("ana@example.org", HASH)
    _denied(INVALID_REQUEST, admin.removeUser, key, "ana@example.org")
    assert (tmp_path / "users.csv").read_text() == "user,password_hash\n"


@pytest.mark.parametrize(
    "user", ["a@b", "x", "", "=cmd|'/c calc'!A1@x.org", "a,b@x.org", "a\n@x.y"]
)
def test_what_is_no_address_goes_nowhere(pair: Pair, user: str) -> None:
    """F19."""
    admin, _, key = pair
    _denied(INVALID_REQUEST, admin.addUser, key, user, HASH)
    assert admin.users(key) == []
    assert not is_mail_address(user)


def test_without_the_key_nothing_is_done(pair: Pair) -> None:
    """At the administrator and at the registry behind it."""
    admin, authenticator, key = pair
    registry = IceFlix.UserRegistryPrx.uncheckedCast(authenticator.ice_facet("registry"))
    for target in (admin, registry):
        for wrong in ("", "x", key[:-1]):
            _denied(NOT_AUTHORIZED, target.addUser, wrong, "ana@example.org", HASH)
            _denied(NOT_AUTHORIZED, target.removeUser, wrong, "ana@example.org")
            _denied(NOT_AUTHORIZED, target.users, wrong)
    with pytest.raises(IceFlix.Denied):
        registry.follow("x", admin)
    _denied(INVALID_REQUEST, registry.addUser, key, "ana@example.org", "no hash")


def test_a_change_that_cannot_be_written_is_taken_back(pair: Pair, tmp_path: Path) -> None:
    """F18: memory first, but never memory alone."""
    admin, authenticator, key = pair
    lock = tmp_path / "users.csv.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    _denied(NO_SERVERS, admin.addUser, key, "ana@example.org", HASH)
    with pytest.raises(IceFlix.Unauthorized):
        authenticator.refreshAuthorization("ana@example.org", HASH)


def test_the_authenticator_follows_the_administrators_clock(
    pair: Pair, eventually: Eventually
) -> None:
    """F20, F21: 3 s behind, found within the bound; the chain goes on from its registry."""
    admin, authenticator, _ = pair
    registry = IceFlix.UserRegistryPrx.uncheckedCast(authenticator.ice_facet("registry"))
    eventually(lambda: registry.errorBound() < 1)
    assert abs(registry.correction() - 3.0) <= registry.errorBound() + 1e-6
    assert admin.correction() == admin.errorBound() == 0.0
    assert abs(registry.now() - admin.now()) < 0.5


def test_no_authenticator_is_a_sentence(
    make_host: HostMaker, tmp_path: Path, ice: Ice.Communicator
) -> None:
    """No authenticator is a sentence."""
    host: Host = make_host("useradmin", useradmin.build)
    admin = IceFlix.UserAdminPrx.uncheckedCast(_foreign(ice, host))
    _denied(NO_SERVERS, admin.users, read_key(tmp_path / "admin.key"))


def test_the_key_file_is_private(tmp_path: Path) -> None:
    """The key file is private, and one that is not is refused."""
    path = tmp_path / "new" / "admin.key"
    with pytest.raises(SetupError, match="no administration key"):
        read_key(path)
    key = obtain_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert obtain_key(path) == key
    path.chmod(0o644)
    with pytest.raises(SetupError, match="chmod 600"):
        read_key(path)


def _users(home: Path, *arguments: str, said: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-P", "-m", "iceflix.cli", "users", *arguments, "--via", "admin"],
        env=os.environ | {"ICEFLIX_HOME": str(home)},
        cwd=ROOT,
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_the_console(pair: Pair, tmp_path: Path) -> None:
    """F18, F19: the file is opened by the Authenticator alone; what is wrong is said."""
    authenticator = pair[1]
    done = _users(tmp_path, "add", "ana@example.org", said="secret\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ana@example.org may sign in now" in done.stdout
    assert authenticator.refreshAuthorization("ana@example.org", HASH)
    assert "already" in _users(tmp_path, "add", "ana@example.org", said="x\n").stderr
    assert "e-mail address" in _users(tmp_path, "add", "a@b", said="x\n").stderr
    assert json.loads(_users(tmp_path, "list", "--json").stdout)[0]["name"] == "ana@example.org"
    assert _users(tmp_path, "remove", "ana@example.org").returncode == 0
    done = _users(tmp_path, "remove", "ana@example.org")
    assert done.returncode == 1
    assert "no user" in done.stderr
    (tmp_path / "admin.key").chmod(0o644)
    assert "chmod 600" in _users(tmp_path, "list").stderr
