"""The terminal application, driven by keys, against fakes that speak the Slice."""

import asyncio
import contextlib
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from iceflix.client.app import ClientApp
from iceflix.client.i18n import Language
from iceflix.client.outputs import Window
from iceflix.client.session import Session
from iceflix.client.start import Start
from iceflix.client.widgets import Results
from iceflix.contract import IceFlix
from iceflix.runtime.settings import Settings
from tests.unit.client.fakes import FakeControl, FakePlayer, Platform, session_for

METROPOLIS = "aa11" + "0" * 60
pytestmark = pytest.mark.slow


@pytest.fixture(name="platform")
def _platform() -> Iterator[Platform]:
    platform = Platform()
    platform.catalog.titles = {
        METROPOLIS: ("Metropolis", ["silent"]),
        "ab12" + "0" * 60: ("\x1b[31mNos[b]feratu", ["rain, wind"]),
        "ac13" + "0" * 60: ("\u202eשלום", []),
    }
    yield platform
    platform.close()


@dataclass
class Stage:
    """The application with keys to press and a screen to read."""

    app: ClientApp
    pilot: Pilot[int]
    session: Session
    player: FakePlayer

    async def keys(self, *keys: str) -> None:
        """Press keys; a longer word is typed letter by letter."""
        named = {"enter", "escape", "slash", "down", "space", "f1", "tab", "left", "right", "home"}
        for key in keys:
            single = len(key) == 1 or "+" in key or key in named
            await self.pilot.press(*([key] if single else list(key)))

    def screen(self) -> str:
        """Everything on the screen as text."""
        lines = self.app.screen._compositor.render_strips()  # pylint: disable=protected-access
        text = "\n".join("".join(part.text for part in line) for line in lines)
        return re.sub(r"[\s\u00a0▌]+", " ", text)  # notices are wrapped

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something to become true."""
        for _ in range(1500):
            if condition():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(self.screen())

    async def see(self, *words: str) -> None:
        """Wait for words on the screen."""
        wanted = [" ".join(word.split()) for word in words]
        await self.until(lambda: all(word in self.screen() for word in wanted))

    async def connected(self) -> None:
        """Connect to what the dialogue offers."""
        await self.see("Proxy of Main")
        await self.keys("enter")
        await self.see("● online")

    async def ready(self) -> None:
        """Connect, sign in, select the first title."""
        await self.connected()
        await self.keys("ctrl+l")
        await self.see("Password")
        await self.keys("ana", "enter", "secreto", "enter")
        await self.see("user: ana")
        await self.keys("slash", "enter")
        await self.see("Metropolis")
        await self.until(lambda: isinstance(self.app.focused, Results))
        await self.keys("enter")
        await self.see("Selected: Metropolis")


@pytest.fixture(name="opening")
def _opening(
    platform: Platform, tmp_path: Path
) -> Callable[..., "contextlib.AbstractAsyncContextManager[Stage]"]:
    @contextlib.asynccontextmanager
    async def opening(
        lang: str = "en", size: tuple[int, int] = (80, 24), main: str | None = None
    ) -> AsyncIterator[Stage]:
        player = FakePlayer()
        settings = Settings.of(tmp_path, {"Client.Main": main or platform.address})
        start = Start(settings, Language(lang))
        with session_for(tmp_path) as session:
            app = ClientApp(session, start, lambda _output: player)
            app.animation_level = "none"
            async with app.run_test(size=size, notifications=True) as pilot:
                yield Stage(app, pilot, session, player)
                await asyncio.get_running_loop().run_in_executor(None, session.close)

    return opening


Opening = Callable[..., "contextlib.AbstractAsyncContextManager[Stage]"]


@pytest.fixture(name="displayed", autouse=True)
def _displayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a display, as far as the application can tell."""
    monkeypatch.delenv("ICEFLIX_MAIN", raising=False)
    monkeypatch.setattr(Window, "check", lambda self: None)


async def test_connection_and_user_are_always_visible(opening: Opening) -> None:
    """Connection and user are always visible."""
    async with opening() as stage:
        await stage.see("○ offline", "not signed in", "No title selected")
        await stage.ready()
        await stage.see("● online", "127.0.0.1:", "user: ana", "Selected: Metropolis  [silent]")
        await stage.keys("ctrl+l")
        await stage.see("not signed in")


async def test_garbage_proxies_get_a_sentence_and_another_chance(opening: Opening) -> None:
    """Garbage proxies get a sentence and another chance."""
    async with opening(main="garbage:::") as stage:
        await stage.see("Proxy of Main")
        await stage.keys("enter")
        await stage.see("is not a proxy", "○ offline")
        await stage.keys("ctrl+o")
        await stage.see("garbage:::")


async def test_the_death_of_main_shows_by_itself(opening: Opening, platform: Platform) -> None:
    """The death of main shows by itself."""
    async with opening() as stage:
        await stage.connected()
        platform.kill("main")
        await stage.see("offline, trying again", "The connection is lost")
        platform.revive_main()
        await stage.see("● online")


async def test_the_password_is_never_shown(opening: Opening, platform: Platform) -> None:
    """The password is never shown."""
    async with opening() as stage:
        await stage.connected()
        await stage.keys("ctrl+l")
        await stage.see("Password")
        await stage.keys("ana", "enter", "secreto")
        await stage.see("•••••••")
        assert "secreto" not in stage.screen()
        await stage.keys("enter")
        await stage.see("user: ana")
        assert all(field.value != "secreto" for field in stage.app.query(Input))
    assert platform.calls.of("refreshAuthorization")[0][1] != "secreto"


async def test_no_key_of_a_password_typed_ahead_is_shown(opening: Opening) -> None:
    """Keys that come in a burst, as they do from a paste or a slow line."""
    async with opening() as stage:
        await stage.connected()
        await stage.keys("ctrl+l")
        await stage.see("Password")
        await stage.pilot.press(*"ana", "enter", *"secreto", "enter")
        await stage.see("user: ana")


async def test_keys_keep_their_order(opening: Opening) -> None:
    """A key that clears the field clears what was there before it, not what comes after."""
    async with opening() as stage:
        await stage.see("Proxy of Main")
        for key in ("ctrl+u", *"other", "left", "left", "home", "delete", *"br"):
            stage.app.simulate_key(key)
        await stage.until(lambda: stage.app.screen.query_one("#main", Input).value == "brther")


async def test_wrong_password(opening: Opening) -> None:
    """Wrong password."""
    async with opening() as stage:
        await stage.connected()
        await stage.keys("ctrl+l")
        await stage.see("Password")
        await stage.keys("ana", "enter", "wrong", "enter")
        await stage.see("Wrong user or password.", "not signed in")


async def test_retries_are_told_and_settable(opening: Opening, platform: Platform) -> None:
    """Retries are told and settable."""
    platform.calls.fail["getCatalogService"] = IceFlix.TemporaryUnavailable
    async with opening() as stage:
        await stage.see("Attempts")
        await stage.keys("tab", "2", "tab", "0", "enter")
        await stage.see("Attempt 1 of 2", "not available")
        await stage.see("○ offline")
        assert len(platform.calls.of("getCatalogService")) == 2


async def test_titles_from_strangers_do_no_harm(opening: Opening) -> None:
    """Titles from strangers do no harm."""
    async with opening() as stage:
        await stage.connected()
        await stage.keys("slash", "enter")
        await stage.see("Nos[b]feratu", '"rain, wind"', "שלום")
        assert "\x1b" not in stage.screen()
        assert "\u202e" not in stage.screen()


async def test_an_empty_search_keeps_the_result(opening: Opening) -> None:
    """An empty search keeps the result."""
    async with opening() as stage:
        await stage.connected()
        await stage.keys("slash", "Metro", "enter")
        await stage.see("1 title")
        await stage.keys("slash", "nothing like it", "enter")
        await stage.see("the earlier result stays", "Metropolis")


async def test_searching_by_tags(opening: Opening, platform: Platform) -> None:
    """Searching by tags."""
    async with opening() as stage:
        await stage.connected()
        await stage.keys("slash", 'silent, "rain, wind"', "tab")
        await stage.keys("down", "down", "down", "enter")
        await stage.keys("slash", "enter")
        await stage.see("2 titles")
    assert platform.calls.of("getTilesByTags") == [(["silent", "rain, wind"], False)]


async def test_editing(opening: Opening, platform: Platform) -> None:
    """Editing."""
    async with opening() as stage:
        await stage.ready()
        await stage.keys("r")
        await stage.see("New name")
        await stage.keys("ctrl+u", "Metropolis 1927", "enter")
        await stage.see("Selected: Metropolis 1927", "The name was changed.")
        await stage.keys("t")
        await stage.see("Tags now: silent")
        await stage.keys('city, "a, b"', "enter")
        await stage.see('[silent, city, "a, b"]')
        await stage.keys("u")
        await stage.see("Tags now")
        await stage.keys("silent", "enter")
        await stage.see('[city, "a, b"]')
    assert platform.catalog.titles[METROPOLIS] == ("Metropolis 1927", ["city", "a, b"])


async def test_what_is_missing_is_said_in_order(opening: Opening) -> None:
    """What is missing is said in order."""
    async with opening() as stage:
        await stage.see("Proxy of Main")
        await stage.keys("escape", "r")
        await stage.see("You are not connected")
        await stage.keys("ctrl+o")
        await stage.connected()
        await stage.keys("p")
        await stage.see("You are not signed in")
        await stage.keys("ctrl+l")
        await stage.see("Password")
        await stage.keys("ana", "enter", "secreto", "enter")
        await stage.see("user: ana")
        await stage.keys("t")
        await stage.see("No title is selected")


async def test_playing(opening: Opening, platform: Platform) -> None:
    """Playing."""
    async with opening() as stage:
        await stage.ready()
        await stage.keys("p")
        await stage.see("▶ Playing: Metropolis", "1:01", "1:30", "3.1 Mbit/s", "lost 5")
        await stage.keys("space")
        await stage.see("Paused: Metropolis")
        await stage.keys("space")
        await stage.see("▶ Playing")
        await stage.keys("slash", "Nos", "enter")
        await stage.see("feratu", "▶ Playing: Metropolis")
        await stage.until(lambda: isinstance(stage.app.focused, Results))
        await stage.keys("s")
        await stage.until(lambda: platform.calls.of("stop"))
        await stage.until(lambda: "Playing" not in stage.screen())
        await stage.keys("p")
        await stage.see("▶ Playing")
    assert len(platform.calls.of("stop")) == 2, "leaving ends the stream"


async def test_seeking(opening: Opening, platform: Platform) -> None:
    """Arrow keys seek where the server can, and are shown then; in the list they do not scroll."""
    platform.provider.controller = FakeControl
    async with opening(size=(120, 24)) as stage:
        await stage.ready()
        await stage.keys("p")
        await stage.see("▶ Playing: Metropolis", "0:00", "→ 10 s forward")
        await stage.keys("right")
        await stage.see("0:10")
        await stage.keys("right", "left", "right")
        await stage.see("0:20")
        await stage.keys("home")
        await stage.see("0:00")
        await stage.keys("space")
        await stage.see("Paused: Metropolis")
        platform.calls.fail["seek"] = lambda: IceFlix.ControlRefused("it is not its day")
        await stage.keys("right")
        await stage.see("The video server refuses: it is not its day.")
    assert len(platform.calls.of("seek")) == 6


async def test_another_server_is_shown(opening: Opening, platform: Platform) -> None:
    """That the server has died shows, and that there is no other one."""
    platform.provider.controller = FakeControl
    async with opening(size=(160, 24)) as stage:  # notices hide what is below
        await stage.ready()
        await stage.keys("p")
        await stage.see("▶ Playing: Metropolis")
        platform.calls.fail["getTile"] = IceFlix.TemporaryUnavailable
        stage.player.figures = replace(stage.player.figures, silence=1.0)
        platform.kill("provider")
        await stage.see("Looking for another server with Metropolis", "died;")
        platform.calls.fail["getTile"] = lambda: IceFlix.WrongMediaId("aa11")
        await stage.see("No other video")


async def test_recording_asks_for_a_file(opening: Opening, platform: Platform) -> None:
    """Recording asks for a file."""
    async with opening() as stage:
        await stage.ready()
        await stage.keys("w")
        await stage.see("File (.mp4 or .mkv)", "Metropolis.mp4")
        await stage.keys("ctrl+u", "/no/such/folder/x.mp4", "enter")
        await stage.see("cannot be written")
        assert not platform.calls.of("getStream")


async def test_a_hung_server_leaves_it_responsive(opening: Opening, platform: Platform) -> None:
    """A hung server leaves it responsive."""
    async with opening() as stage:
        await stage.connected()
        platform.calls.delay["getTilesByName"] = threading.Event()
        await stage.keys("slash", "enter")
        await stage.until(lambda: platform.calls.of("getTilesByName"))
        await stage.keys("escape", "f1")
        await stage.see("Escape closes this page.")
        await stage.keys("escape")
        platform.calls.delay["getTilesByName"].set()
        await stage.see("Metropolis")


async def test_many_results(opening: Opening, platform: Platform) -> None:
    """Many results."""
    platform.catalog.titles = {f"{n:064x}": (f"Title {n}", ["x"]) for n in range(3000)}
    async with opening() as stage:
        await stage.connected()
        await stage.keys("slash", "enter")
        await stage.see("3,000 titles", "Title 0")


async def test_it_fits_and_follows_the_size_of_the_terminal(opening: Opening) -> None:
    """It fits and follows the size of the terminal."""
    async with opening(size=(80, 24)) as stage:
        await stage.ready()
        await stage.see("F1 Help", "^Q Quit", "p Play")
        await stage.pilot.resize_terminal(40, 10)
        await stage.see("● online", "Selected: Metropolis", "F1 Help", "^Q Quit")
        await stage.pilot.resize_terminal(150, 50)
        await stage.see("u Remove tags", "^L Sign out")


async def test_the_mouse_does_what_the_keys_do(opening: Opening) -> None:
    """The mouse does what the keys do."""
    async with opening() as stage:
        await stage.see("Proxy of Main")
        await stage.pilot.click("#cancel")
        await stage.until(lambda: len(stage.app.screen_stack) == 1)
        await stage.pilot.click("#keys", offset=(4, 0))
        await stage.see("Proxy of Main")
        await stage.pilot.click("#ok")
        await stage.see("● online")
        await stage.pilot.click("#keys", offset=(4, 0))
        await stage.keys("enter")
        await stage.see("Metropolis")
        await stage.pilot.click("#results", offset=(6, 1), times=2)
        await stage.see("Selected: Metropolis")


async def test_a_mistake_of_ours_is_a_sentence(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of ours is a sentence."""

    def fail(_self: ClientApp) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(ClientApp, "action_help", fail)
    async with opening() as stage:
        await stage.connected()
        monkeypatch.setattr(ClientApp, "is_headless", False)
        stage.app.simulate_key("f1")
        await stage.until(lambda: stage.app.return_value == 1)
        monkeypatch.undo()


async def test_spanish(opening: Opening) -> None:
    """Spanish."""
    async with opening(lang="es") as stage:
        await stage.see("Proxy de Main", "Aceptar")
        await stage.keys("enter")
        await stage.see("● conectado", "sin sesión", "Ningún título seleccionado")
        await stage.keys("f1")
        await stage.see("Ayuda", "Iniciar sesión")


async def test_the_palette_has_everything(opening: Opening) -> None:
    """The palette has everything."""
    async with opening() as stage:
        await stage.connected()
        await stage.keys("ctrl+p")
        await stage.keys("Sign")
        await stage.see("Sign in")
