"""Properties from the command line, files and defaults."""

import re
from pathlib import Path

import pytest

from iceflix.properties import PROPERTIES
from iceflix.runtime.communicator import split_arguments, with_configuration
from iceflix.runtime.errors import SetupError
from iceflix.runtime.settings import Settings


def test_defaults_lie_under_home(tmp_path: Path) -> None:
    """Defaults lie under home."""
    settings = Settings.of(tmp_path)
    assert settings.path("Auth.File") == tmp_path / "users.json"
    assert settings.seconds("Auth.TokenSeconds") == 30.0
    assert settings.integer("Media.HashThreads") == 0
    assert settings.flag("Stream.Audio") is True


def test_every_property_has_a_meaning() -> None:
    """Every property has a meaning."""
    keys = [known.key for known in PROPERTIES]
    assert len(keys) == len(set(keys))
    assert all(known.meaning for known in PROPERTIES)


def test_an_unknown_property_names_the_nearest(tmp_path: Path) -> None:
    """An unknown property names the nearest."""
    with pytest.raises(SetupError, match=r"Auth\.Fil.*did you mean Auth\.File\?"):
        Settings.of(tmp_path, {"Auth.Fil": "x"})


@pytest.mark.parametrize(
    "key", ["Ice.Trace.Network", "Main.Endpoints", "MediaCatalog.ThreadPool.Size", "IceSSL.CAs"]
)
def test_properties_of_ice_pass(tmp_path: Path, key: str) -> None:
    """Properties of ice pass."""
    assert Settings.of(tmp_path, {key: "1"}).values == {key: "1"}


@pytest.mark.parametrize(
    ("key", "value", "getter"),
    [
        ("Auth.TokenSeconds", "soon", "seconds"),
        ("Auth.TokenSeconds", "-1", "seconds"),
        ("Auth.TokenSeconds", "nan", "seconds"),
        ("Media.HashThreads", "1.5", "integer"),
        ("Stream.Audio", "maybe", "flag"),
        ("Auth.File", "", "path"),
    ],
)
def test_an_unusable_value_is_named(tmp_path: Path, key: str, value: str, getter: str) -> None:
    """An unusable value is named."""
    with pytest.raises(SetupError, match=key):
        getattr(Settings.of(tmp_path, {key: value}), getter)(key)


def test_properties_are_taken_out_of_a_command_line() -> None:
    """Properties are taken out of a command line."""
    properties, rest = split_arguments(
        ["search", "--Auth.File=a=b", "--exact", "--Ice.Trace.Network", "x", "--", "--A.B=1"]
    )
    assert properties == {"Auth.File": "a=b", "Ice.Trace.Network": "1"}
    assert rest == ["search", "--exact", "x", "--", "--A.B=1"]


def test_lan_opens_every_interface() -> None:
    """Lan opens every interface."""
    assert split_arguments(["--lan"]) == ({"Ice.Default.Host": ""}, [])


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    """The command line wins over the file."""
    file = tmp_path / "a.config"
    file.write_text("# comment\nAuth.File=from file\nMedia.Folder=/media\n")
    given = {"Ice.Config": str(file), "Auth.File": "given"}
    merged = with_configuration(given)
    assert merged["Auth.File"] == "given"
    assert merged["Media.Folder"] == "/media"


def test_a_missing_file_is_an_error_only_when_named(tmp_path: Path) -> None:
    """A missing file is an error only when named."""
    assert not with_configuration({}, tmp_path / "none.config")
    with pytest.raises(SetupError, match=r"none\.config"):
        with_configuration({"Ice.Config": str(tmp_path / "none.config")})


def test_clients_look_for_main_where_it_was_put(tmp_path: Path) -> None:
    """Whoever moves Main's port need not say it twice."""
    endpoints = "tcp -h 127.0.0.1 -p 12010"
    moved = Settings.of(tmp_path, {"Main.Endpoints": endpoints})
    assert moved.text("Client.Main") == f"IceFlix/Main:{endpoints}"
    given = Settings.of(tmp_path, {"Main.Endpoints": endpoints, "Client.Main": "x:tcp"})
    assert given.text("Client.Main") == "x:tcp"
    assert "-p 10010" in Settings.of(tmp_path).text("Client.Main")


@pytest.mark.parametrize(
    ("key", "value"), [("Auth.TokenSeconds", "abc"), ("Stream.Max", "many"), ("Stream.Audio", "?")]
)
def test_words_for_numbers_are_refused_at_once(tmp_path: Path, key: str, value: str) -> None:
    """Whoever reads them later, or never: nothing has been started yet."""
    with pytest.raises(SetupError, match=f"{key} must be .*{re.escape(value)}"):
        Settings.of(tmp_path, {key: value})


def test_numbers_may_be_negative_or_words_that_mean_yes(tmp_path: Path) -> None:
    """A clock's skew is negative, a flag may be said in words."""
    settings = Settings.of(tmp_path, {"Clock.SkewSeconds": "-3", "Stream.Audio": "no"})
    assert not settings.flag("Stream.Audio")
