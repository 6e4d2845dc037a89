"""The Authenticator in a world whose time the test moves."""

import threading
from pathlib import Path

import pytest
import structlog

from iceflix.auth.authenticator import Authenticator, LoginRefused, Policy
from iceflix.auth.credentials import Credentials
from iceflix.auth.passwords import digest
from tests.unit.auth.stage import SECRET, Stage, write_users


def refused(authenticator: Authenticator, user: str, candidate: str, address: str = "x") -> float:
    """Fail to sign in; return the delay of the refusal."""
    with pytest.raises(LoginRefused) as caught:
        authenticator.login(user, candidate, address)
    assert str(caught.value) == "wrong user or password"
    return caught.value.delay_seconds


def test_a_token_is_revoked_once_at_its_expiry(stage: Stage, users_file: Path) -> None:
    """V17, V18."""
    authenticator = stage.authenticator(users_file)
    token = authenticator.login("ana", SECRET, "x")
    stage.wait(29.0)
    assert authenticator.is_authorized(token)
    assert stage.revoked == []
    stage.wait(1.5)
    assert not authenticator.is_authorized(token)
    assert stage.revoked == [token]
    stage.wait(100.0)
    assert stage.revoked == [token]


def test_every_token_has_its_own_clock(stage: Stage, users_file: Path) -> None:
    """V17, V18: 200 of them, 50 ms apart."""
    authenticator = stage.authenticator(users_file)
    issued = []
    for _ in range(200):
        issued.append(authenticator.login("ana", SECRET, "x"))
        stage.wait(0.05)
    assert stage.revoked == []
    stage.wait(25.12)
    assert stage.revoked == issued[:101]
    alive = [authenticator.is_authorized(token) for token in issued]
    assert alive == [False] * 103 + [True] * 97
    stage.wait(10.0)
    assert stage.revoked == issued
    assert authenticator.details()["tokens"] == "0"


def test_wrong_credentials_are_refused_alike(stage: Stage, users_file: Path) -> None:
    """V15."""
    authenticator = stage.authenticator(users_file)
    for user, candidate in [("ana", digest(b"x")), ("ana", ""), ("ana", "secret"), ("no", SECRET)]:
        assert refused(authenticator, user, candidate) == 0.0


def test_failures_are_slowed_down_and_a_right_password_is_not(
    stage: Stage, users_file: Path
) -> None:
    """Per user and address."""
    authenticator = stage.authenticator(users_file, policy=Policy(30.0, 3))
    found = [refused(authenticator, "ana", "wrong") for _ in range(5)]
    assert found == [0.0, 0.0, 0.0, 0.25, 0.5]
    assert refused(authenticator, "ana", "wrong", "elsewhere") == 0.0
    assert authenticator.login("ana", SECRET, "x")
    assert refused(authenticator, "ana", "wrong") == 0.0
    assert authenticator.details()["failures"] == "7"
    assert authenticator.details()["logins"] == "1"


def test_a_token_is_good_at_every_authenticator_that_shares_key_and_file(
    stage: Stage, users_file: Path
) -> None:
    """V20."""
    first, second = stage.authenticator(users_file), stage.authenticator(users_file, "A2")
    token = first.login("ana", SECRET, "x")
    assert second.is_authorized(token)
    stage.wait(30.5)
    assert not second.is_authorized(token)
    assert stage.revoked == [token], "by its issuer alone"


def test_a_removed_user_is_out_at_once_everywhere(stage: Stage, users_file: Path) -> None:
    """All that share the file look before they answer."""
    first, second = stage.authenticator(users_file), stage.authenticator(users_file, "A2")
    token, kept = first.login("ana", SECRET, "x"), first.login("eva", digest(b"hidden"), "x")
    write_users(users_file, eva="hidden")
    assert not second.is_authorized(token), "without any signal"
    assert not first.is_authorized(token)
    assert stage.revoked == [token]
    assert first.is_authorized(kept)
    assert second.is_authorized(kept)
    refused(first, "ana", SECRET)
    stage.wait(31.0)
    assert stage.revoked == [token, kept]


def test_a_changed_password_ends_the_tokens_of_the_old_one(stage: Stage, users_file: Path) -> None:
    """Revoked at once, and not again."""
    authenticator = stage.authenticator(users_file)
    token = authenticator.login("ana", SECRET, "x")
    write_users(users_file, ana="other", eva="hidden")
    authenticator.reload()
    assert stage.revoked == [token]
    refused(authenticator, "ana", SECRET)
    new = authenticator.login("ana", digest(b"other"), "x")
    assert authenticator.is_authorized(new)
    assert not authenticator.is_authorized(token)


def test_a_bad_file_is_logged_and_the_old_list_stays(stage: Stage, users_file: Path) -> None:
    """V72."""
    authenticator = stage.authenticator(users_file)
    token = authenticator.login("ana", SECRET, "x")
    users_file.write_text("{")
    with structlog.testing.capture_logs() as logs:
        authenticator.follow()
        authenticator.follow()
    problems = [entry for entry in logs if entry["log_level"] == "error"]
    assert len(problems) == 1
    assert "line 1, column 2" in problems[0]["problem"]
    assert "line 1, column 2" in authenticator.details()["problem"]
    assert authenticator.is_authorized(token)
    assert authenticator.login("eva", digest(b"hidden"), "x")
    write_users(users_file, ana="secret")
    authenticator.follow()
    assert "problem" not in authenticator.details()
    assert authenticator.details()["users"] == "1"


def test_the_log_keeps_no_secrets(stage: Stage, users_file: Path) -> None:
    """No token, password or hash, and no megabytes."""
    with structlog.testing.capture_logs() as logs:
        authenticator = stage.authenticator(users_file, policy=Policy(30.0, 0))
        token = authenticator.login("ana", SECRET, "x")
        refused(authenticator, "ana", "plain password")
        refused(authenticator, "u" * 1_000_000, digest(b"y"))
        refused(authenticator, "my password", SECRET)
        authenticator.is_authorized(token)
        write_users(users_file, eva="hidden")
        authenticator.reload()
        stage.wait(40.0)
    text = repr(logs)
    assert len(text) < 5000
    for secret in (token, SECRET, "plain password", "my password", digest(b"y"), digest(b"hidden")):
        assert secret not in text


def test_details_say_how_it_is(stage: Stage, users_file: Path) -> None:
    """For the status."""
    authenticator = stage.authenticator(users_file)
    authenticator.login("ana", SECRET, "x")
    authenticator.reload()
    assert authenticator.details() == {
        "users": "2",
        "tokens": "1",
        "logins": "1",
        "failures": "0",
        "reloads": "1",
        "file": str(users_file),
    }


def test_many_threads_at_once(users_file: Path) -> None:
    """Each token is distinct, valid and revoked once, however the threads fall."""
    stage = Stage()
    authenticator = stage.authenticator(users_file)
    issued: list[str] = []

    def work() -> None:
        for _ in range(200):
            token = authenticator.login("ana", SECRET, "x")
            assert authenticator.is_authorized(token)
            issued.append(token)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(set(issued)) == 1600
    stage.wait(31.0)
    assert sorted(stage.revoked) == sorted(issued)


def test_a_password_that_changes_during_a_login_gives_no_token(
    stage: Stage, users_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older reading does not count."""
    authenticator = stage.authenticator(users_file)
    real = Credentials.verify

    def slow(self: Credentials, user: str, candidate: str) -> bool:
        right = real(self, user, candidate)
        monkeypatch.undo()
        write_users(users_file, ana="other")
        authenticator.reload()
        return right

    monkeypatch.setattr(Credentials, "verify", slow)
    refused(authenticator, "ana", SECRET)
    assert stage.revoked == []
