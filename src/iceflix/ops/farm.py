"""The farm beside the streaming services: a small one, started when clients can come already.

It never hinders the videos: what of it cannot start is said in a sentence and left out.
"""

import asyncio
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from iceflix.contract import Ice
from iceflix.farm.launch import Farm, Plan, Start
from iceflix.farm.opening import Opening
from iceflix.farm.samples import PICTURES, bring_images
from iceflix.ops import firstrun
from iceflix.ops.fleet import Fleet, Recipe
from iceflix.ops.restart import State
from iceflix.runtime.errors import SetupError
from iceflix.runtime.settings import Settings

OFF = "OFF"
_SYSTEM = "Farm.System"
_READY_SECONDS = 20.0
_LOOK_SECONDS = 0.3
_SLOTS = max(1, (os.cpu_count() or 1) // 2)
# Two nodes in all. In B a ring runs one filter, so that two rings show more.
_PLANS = {
    "A": Plan("A", multiservers=1, rings=1, nodes=2, slots=_SLOTS),
    "B": Plan("B", multiservers=1, rings=2, nodes=1, slots=_SLOTS),
}


def system(settings: Settings) -> str:
    """Which farm was asked for: A, B or OFF. Raises SetupError."""
    name = settings.text(_SYSTEM).upper()
    if name not in {OFF, *_PLANS}:
        raise SetupError(f"{_SYSTEM} must be off, A or B, not {settings.text(_SYSTEM)!r}")
    return name


async def follow(
    settings: Settings, given: dict[str, str], fleet: Fleet, communicator: Ice.Communicator
) -> None:
    """Start it and say when it can be used; then nothing, until the run ends."""
    wanted, say = system(settings), fleet.console.say
    if wanted == OFF:
        return
    if any(process.alive for process in Farm(settings.home).processes()):
        say("farm: one runs here already (iceflix farm up); it is left alone")
        return
    names = []
    try:
        sentence = bring_images(settings)
        for start in _PLANS[wanted].starts(settings.home):
            names.append(start.name)
            fleet.launch(_recipe(start, given))
    except (SetupError, OSError) as error:
        say(f"farm: it does not start: {error}")
        return
    if sentence:
        say(sentence)
    farm, opening = Farm(settings.home), Opening(communicator)
    waits = _Waits(fleet, names, lambda: opening.missing(farm.ready()))
    await waits.until_open(_invitation(settings, wanted))


@dataclass(frozen=True)
class _Waits:
    """Waits for the services ``names`` to run, and then until ``missing`` has nothing to say."""

    fleet: Fleet
    names: list[str]
    missing: Callable[[], str]

    async def until_open(self, invitation: str) -> None:
        """Say once how it is; what gave up has spoken for itself."""
        patient_until = time.monotonic() + _READY_SECONDS
        while await self.fleet.pause(_LOOK_SECONDS):
            states = {name: self.fleet.services[name].life.state for name in self.names}
            if State.STOPPED in states.values():
                return
            late = ", ".join(name for name, state in states.items() if state is not State.READY)
            late = late or await asyncio.to_thread(self.missing)
            if not late:
                self.fleet.console.say(invitation)
                return
            if time.monotonic() > patient_until:
                self.fleet.console.say(f"farm: still waiting for {late}")
                patient_until = math.inf


def _recipe(start: Start, given: dict[str, str]) -> Recipe:
    properties = {**start.properties, **given}
    words = (f"--{key}={value}" for key, value in properties.items())
    command = (sys.executable, "-P", "-m", "iceflix.ops.serve", start.kind, *words)
    return Recipe(start.name, lambda: (command, None), optional=True)


def _invitation(settings: Settings, name: str) -> str:
    images = settings.home / "images"
    pictures = [file.name for file in PICTURES if (images / file.name).exists()]
    if pictures and name == "A":
        # Nobody is named who may not exist: then it asks who it is for.
        user = f" --user {firstrun.DEMO_USER}" if firstrun.only_demo(settings) else ""
        return (
            f"Farm: ready (system A); try: iceflix filter {pictures[0]} -f gray,blur:radius=4{user}"
        )
    return f"Farm: ready (system {name}); look at it with: iceflix farm status"
