"""What the doctor finds wrong, and that each finding says how to mend it."""

import json
import os
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from iceflix.ops import check_home, check_machine, check_services, doctor, project
from iceflix.ops.broker import Broker
from iceflix.ops.findings import Finding, Verdict
from iceflix.ops.firstrun import bring_users
from iceflix.ops.report import doctor_table
from iceflix.runtime.communicator import initialize
from iceflix.runtime.settings import Settings
from tests.conftest import free_port
from tests.postgres import NewDatabase


@pytest.fixture(name="settings")
def _settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path, {})


def _verdicts(findings: list[Finding]) -> list[Verdict]:
    return [finding.verdict for finding in findings]


def test_this_machine_is_fit_for_the_tests(tmp_path: Path) -> None:
    """Set-up and doctor agree; here set-up has succeeded."""
    findings = list(check_machine.machine(tmp_path))
    assert not [finding.sentence for finding in findings if finding.wrong]
    assert len(findings) == 6


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's and Python's."""
    packages = tmp_path / "packages.txt"
    packages.write_text("# comment\nrun no-such-package  why\ndev another-one  why\n")
    monkeypatch.setattr(check_machine, "PACKAGES", packages)
    found = check_machine.debian_packages()
    assert found.wrong and "no-such-package" in found.sentence and "another" not in found.sentence
    assert found.mend == "type: scripts/setup run"
    (tmp_path / "requirements.lock").write_text("rich==0.1 \\\n    --hash=x\nno-such==1 \\\n")
    monkeypatch.setattr(check_machine, "ROOT", tmp_path)
    found = check_machine.python_packages()
    assert found.wrong
    assert "(locked: 0.1)" in found.sentence and "no-such missing (locked: 1)" in found.sentence


def test_a_clock_that_cannot_be(tmp_path: Path) -> None:
    """Files from the future."""
    assert not check_machine.clock(tmp_path).wrong
    file = tmp_path / "users.json"
    file.touch()
    os.utime(file, (time.time() + 3600, time.time() + 3600))
    assert check_machine.clock(tmp_path).wrong


def test_an_empty_home_is_no_fault(settings: Settings) -> None:
    """Everything is made by the first run."""
    findings = list(check_home.data(settings, settings, settings))
    assert not any(finding.wrong for finding in findings)


def test_users(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Private, others', not to be read, none; and it is never opened (F04)."""
    assert check_home.users(settings).verdict is Verdict.NOTE
    bring_users(settings)
    file = settings.path("Auth.File")

    def opened(*_arguments: object, **_options: object) -> None:
        raise AssertionError("only the Authenticator opens this file")

    for name in ("open", "read_bytes", "read_text"):
        monkeypatch.setattr(Path, name, opened)
    monkeypatch.setattr("builtins.open", opened)
    monkeypatch.setattr(os, "open", opened)
    assert check_home.users(settings).verdict is Verdict.FINE
    file.chmod(0o640)
    found = check_home.users(settings)
    assert found.verdict is Verdict.NOTE and f"chmod 600 {file}" in found.mend
    monkeypatch.setattr(os, "access", lambda *_arguments: False)
    assert check_home.users(settings).wrong


def test_the_key_is_nobody_elses(settings: Settings) -> None:
    """Mode 0600, or else."""
    file = settings.path("Auth.KeyFile")
    file.write_bytes(b"x" * 32)
    file.chmod(0o600)
    assert check_home.key(settings).verdict is Verdict.FINE
    file.chmod(0o640)
    found = check_home.key(settings)
    assert found.wrong and "0640" in found.sentence and f"chmod 600 {file}" in found.mend


def test_the_catalogue(settings: Settings) -> None:
    """Whole or damaged; looking changes nothing."""
    file = settings.path("Catalog.File")
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 200)
    connection.close()
    whole = file.read_bytes()
    assert check_home.catalogue(settings).verdict is Verdict.FINE
    assert file.read_bytes() == whole
    file.write_bytes(whole[:5000] + b"\xff" * 8000 + whole[13000:])
    assert check_home.catalogue(settings).wrong
    file.write_text("no database at all, but a text that is long enough to be looked at" * 10)
    assert check_home.catalogue(settings).wrong


def test_a_catalogue_on_a_server_that_does_not_answer(tmp_path: Path) -> None:
    """Its password is not shown."""
    address = "postgresql+psycopg://eva:hush-hush@127.0.0.1:1/films"
    found = check_home.catalogue(Settings(tmp_path, {"Catalog.File": address}))
    assert found.wrong and "eva@127.0.0.1:1/films" in found.sentence
    assert "hush" not in found.sentence + found.mend


@pytest.mark.slow
def test_a_catalogue_on_a_server(tmp_path: Path, new_postgres: NewDatabase) -> None:
    """It is there, empty or not."""
    for empty, verdict in ((False, Verdict.FINE), (True, Verdict.NOTE)):
        settings = Settings(tmp_path, {"Catalog.File": new_postgres(empty=empty)})
        assert check_home.catalogue(settings).verdict is verdict


def test_media(tmp_path: Path) -> None:
    """A folder that was asked for must be there."""
    (missing,) = check_home.media(Settings(tmp_path, {"Media.Folder": str(tmp_path / "no")}))
    assert missing.wrong
    (tmp_path / "films").mkdir()
    (tmp_path / "films/a.mp4").touch()
    (there,) = check_home.media(Settings(tmp_path, {"Media.Folder": str(tmp_path / "films")}))
    assert there.verdict is Verdict.FINE and there.sentence.endswith(": 1")


def test_leftovers(tmp_path: Path) -> None:
    """Of processes that were killed."""
    assert check_home.leftovers(tmp_path).verdict is Verdict.FINE
    (tmp_path / "run").mkdir()
    facts = {"kind": "auth", "id": "f00", "pid": 2**22 + 1, "proxy": "x", "started": 1.0}
    (tmp_path / "run/auth-f00.json").write_text(json.dumps(facts))
    found = check_home.leftovers(tmp_path)
    assert found.verdict is Verdict.NOTE and "auth-f00" in found.sentence


def test_a_broker_with_unwise_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """IceStorm's own default makes a service deaf for a minute."""
    proxy = f"IceStorm/TopicManager:tcp -h 127.0.0.1 -p {free_port()}"
    settings = Settings(tmp_path, {"IceStorm.TopicManager.Proxy": proxy})
    with initialize(settings) as communicator:
        assert check_services.broker(communicator, settings).verdict is Verdict.NOTE
        monkeypatch.setattr(Broker, "answers", lambda _self: True)
        assert "not started on this home" in check_services.broker(communicator, settings).sentence
        Broker(communicator, settings).plan()
        assert check_services.broker(communicator, settings).verdict is Verdict.FINE
        slow = Settings(tmp_path, {**settings.values, "IceStorm.Discard.Interval": "60"})
        Broker(communicator, slow).plan()
        found = check_services.broker(communicator, slow)
        assert found.verdict is Verdict.NOTE and "is 60 s" in found.sentence


def test_wrong_properties_do_not_stop_the_examination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They become a finding, and every wrong one says how to mend it."""
    monkeypatch.setattr(project, "CONFIG", tmp_path)
    (tmp_path / "auth.config").write_text("Auth.Flie=x\n")
    findings = doctor.examine(Settings(tmp_path, {}))
    wrong = [finding for finding in findings if finding.wrong]
    assert [finding.area for finding in wrong] == ["properties"]
    assert all(finding.mend for finding in wrong)
    doctor_table(findings)
    out = capsys.readouterr().out
    assert "did you mean Auth.File?" in out and "1 wrong" in out and sys.executable in out
