"""IceStorm in the foreground (``run_icestorm``), or as part of a run of everything."""

import asyncio
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from iceflix.contract import Ice
from iceflix.ops import foreground, watch
from iceflix.ops.broker import PROXY, Broker
from iceflix.ops.console import Console, PlainConsole
from iceflix.ops.fleet import Fleet, Recipe
from iceflix.ops.guard import Occupied, guarded
from iceflix.ops.project import home
from iceflix.runtime.communicator import split_arguments, with_configuration
from iceflix.runtime.errors import SetupError
from iceflix.runtime.log import get_logger
from iceflix.runtime.settings import Settings

NAME = "icestorm"
_ANSWER_SECONDS = 3.0
_log = get_logger(NAME)
_LOOK_SECONDS = 0.05


class Start(Enum):
    """How a start of IceStorm went."""

    OURS = "started by us"
    THEIRS = "somebody else's, and it answers"
    ELSEWHERE = "does not answer, and is not to be started here"


async def start(broker: Broker, fleet: Fleet) -> Start:
    """Start IceStorm unless one answers. Raises SetupError.

    Somebody else may be starting one on the same home this moment: theirs is waited for.
    """
    deadline = asyncio.get_running_loop().time() + _ANSWER_SECONDS
    while not await asyncio.to_thread(broker.answers):
        if not broker.ours:
            return Start.ELSEWHERE
        if broker.claim():
            fleet.launch(_recipe(broker))
            return Start.OURS
        if asyncio.get_running_loop().time() > deadline:
            raise Occupied(
                f"somebody else runs IceStorm in {broker.folder}, but it does not answer at "
                f"{watch.short(str(broker.proxy))}, where --{PROXY} looks for it"
            )
        await fleet.pause(_LOOK_SECONDS)
    return Start.THEIRS


def _recipe(broker: Broker) -> Recipe:
    def command() -> tuple[tuple[str, ...], Path]:
        plan = broker.plan()
        return plan.command, plan.folder

    return Recipe(NAME, command, broker.mend, _log.warning)


async def _run(broker: Broker, fleet: Fleet, console: Console) -> int:
    where = watch.short(str(broker.proxy))
    match await start(broker, fleet):
        case Start.THEIRS:
            console.say(f"IceStorm is running already: {where}")
            return 0
        case Start.ELSEWHERE:
            raise SetupError(f"cannot start IceStorm at {where}: that is not this machine's")
        case Start.OURS:
            pass
    try:
        while not await watch.answers(broker.proxy) and await fleet.pause(_LOOK_SECONDS):
            pass
        if not fleet.stopping.is_set():
            console.say(f"IceStorm is ready: {where}")
        await fleet.stopping.wait()
    finally:
        await fleet.stop(NAME)
    if fleet.failure:
        raise fleet.failure
    return 0


def run_icestorm(arguments: Sequence[str]) -> int:
    """Run IceStorm until told to stop; 0 at once when one runs already. Raises SetupError."""
    given, rest = split_arguments(arguments)
    if rest:
        raise SetupError(f"unknown argument {rest[0]!r}; see --help")
    settings = Settings(home(), with_configuration(given))
    console = PlainConsole()

    async def body(communicator: Ice.Communicator, fleet: Fleet) -> int:
        return await _run(Broker(communicator, settings), fleet, console)

    return foreground.run(NAME, settings, console, body)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return guarded(lambda: run_icestorm(given))


if __name__ == "__main__":
    foreground.leave(main())
