"""Take the pictures of the terminal application that the documentation shows.

Run by ``scripts/screenshots``; ``--check`` changes nothing and fails when a picture is not what the
application looks like now.
"""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

from textual.widgets import Input

from iceflix.client import vocabulary as v
from iceflix.client.app import ClientApp
from iceflix.client.i18n import Language
from iceflix.client.player import Statistics
from iceflix.client.session import Session
from iceflix.client.start import Start
from iceflix.runtime.settings import Settings

PICTURES = Path(__file__).resolve().parents[3] / "docs" / "pictures"
SIZE = (96, 26)
TITLES = tuple(
    v.Title(f"{number:064x}", name, tags)
    for number, (name, tags) in enumerate(
        [
            ("A Trip to the Moon", ("silent", "1902", "science fiction")),
            ("Battleship Potemkin", ("silent", "1925")),
            ("Metropolis", ("silent", "1927", "city", "science fiction")),
            ("Nosferatu", ("silent", "1922", "night, fog")),
            ("Sherlock Jr.", ("silent", "1924", "comedy")),
            ("The Cabinet of Dr. Caligari", ("silent", "1920")),
            ("The General", ("silent", "1926", "comedy", "trains")),
            ("Un perro andaluz", ("1929", "surrealismo")),
            ("Человек с киноаппаратом", ("1929", "city")),
            ("東京物語", ("1953", "family")),
        ]
    )
)
ONLINE = v.View(
    v.Link.ONLINE,
    "IceFlix/Main:tcp -h videos.example.net -p 10010",
    login=v.Login("ana"),
    results=TITLES,
    selection=TITLES[2],
)
PLAYING = replace(ONLINE, playing=v.Playing(TITLES[2]))
FIGURES = Statistics(48_211, 0, 3_120_000.0, 2213.0, 8820.0)


class Stage:
    """A session that is in the state that the picture needs, and stays there."""

    def __init__(self, view: v.View) -> None:
        self.view = view

    def subscribe(self, _listener: object) -> Callable[[], None]:
        """Nothing is ever said."""
        return lambda: None

    def statistics(self) -> Statistics | None:
        """The figures of what plays."""
        return FIGURES if self.view.playing else None

    def missing(self, **_what: bool) -> None:
        """Nothing is missing."""


async def picture(view: v.View, lang: str, *keys: str) -> str:
    """Show a state, press keys, and return what is seen as SVG."""
    settings = Settings.of(Path("/nowhere"), {"Client.Main": ONLINE.main})
    app = ClientApp(cast(Session, Stage(view)), Start(settings, Language(lang)))
    app.animation_level = "none"
    async with app.run_test(size=SIZE) as pilot:
        if view.link is not v.Link.OFFLINE:
            await pilot.press("escape")
        await pilot.press(*keys)
        for field in app.screen.query(Input):
            field.cursor_blink = False
        await pilot.pause()
        return app.export_screenshot(title="IceFlix")


async def pictures() -> dict[str, str]:
    """Take them all."""
    down = ["down"] * 2
    return {
        "client-connect.svg": await picture(v.View(), "en"),
        "client-playing.svg": await picture(PLAYING, "en", *down),
        "client-playing-es.svg": await picture(PLAYING, "es", *down),
        "client-tags.svg": await picture(ONLINE, "en", *down, "t", *"robots"),
    }


def main() -> int:
    """Write or check the pictures."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name, svg in asyncio.run(pictures()).items():
        file = PICTURES / name
        if check:
            stale += [name] if not file.exists() or file.read_text(encoding="utf-8") != svg else []
        else:
            PICTURES.mkdir(parents=True, exist_ok=True)
            file.write_text(svg, encoding="utf-8")
    if stale:
        print(f"Not up to date: {', '.join(stale)}. Run scripts/screenshots.")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
