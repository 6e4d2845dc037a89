"""``run_iceflix``: one instance of every service, in the foreground, until it is told to stop."""

import asyncio
import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import iceflix
from iceflix.contract import Ice
from iceflix.farm.images.access import hand_down
from iceflix.ops import farm, firstrun, foreground, icestorm, watch
from iceflix.ops.broker import Broker
from iceflix.ops.console import choose_console
from iceflix.ops.endpoints import listening_addresses
from iceflix.ops.fleet import Fleet, Recipe
from iceflix.ops.guard import Occupied, guarded
from iceflix.ops.lookout import Lookout
from iceflix.ops.project import SERVICES, configuration, home
from iceflix.runtime.communicator import split_arguments, with_configuration
from iceflix.runtime.errors import SetupError
from iceflix.runtime.host import ADAPTERS
from iceflix.runtime.settings import Settings


@dataclass(frozen=True)
class Setting:
    """What a run was told: the properties given, and each service's settings with its file."""

    given: dict[str, str]
    home: Path
    services: dict[str, Settings]


def read_command_line(arguments: Sequence[str]) -> Setting:
    """Read a command line and the configuration files. Raises SetupError."""
    given, rest = split_arguments(arguments)
    if rest:
        raise SetupError(
            f"unknown argument {rest[0]!r}; properties look like --Group.Name=value, see --help"
        )
    given = hand_down(given)
    folder = home()
    services = {
        kind: Settings(folder, with_configuration(given, configuration(kind))) for kind in SERVICES
    }
    return Setting(given, folder, services)


@contextmanager
def sole_run(folder: Path) -> Iterator[None]:
    """Be the only run on this home, with a file that says who. Raises Occupied, SetupError."""
    file = folder / "run" / "supervisor.pid"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = _lock(file)
    except OSError as error:
        raise SetupError(
            f"cannot write to {folder}: {error.strerror}; ICEFLIX_HOME can name another folder"
        ) from error
    try:
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        if _has_name(handle, file):  # else it was deleted by hand, and may be another run's now
            file.unlink()
        os.close(handle)


def _lock(file: Path) -> int:
    """Open a file and lock it; returns the descriptor. Raises Occupied, OSError.

    A run that ends removes its file before it releases the lock. Who opened it just before locks a
    file without a name, which keeps nobody out, and has to open it anew.
    """
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 20).decode(errors="replace").strip()
            os.close(handle)
            raise Occupied(
                f"IceFlix already runs on {file.parents[1]} (process {holder}); stop it first, or "
                "give another folder with ICEFLIX_HOME"
            ) from None
        if _has_name(handle, file):
            return handle
        os.close(handle)


def _has_name(handle: int, file: Path) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(handle), file.stat())
    except FileNotFoundError:
        return False


def check_main_port(setting: Setting, communicator: Ice.Communicator) -> None:
    """Raise Occupied when somebody else has the port where Main is to be."""
    name, default = ADAPTERS["main"]
    key = f"{name}.Endpoints"
    endpoints = setting.services["main"].values.get(key, default)
    for address in listening_addresses(communicator, endpoints, key):
        if address.port and address.local and address.listened:
            raise Occupied(
                f"port {address.port}, where Main belongs, is used by {address.owner}; stop "
                f'that, or give another port with --{key}="tcp -p PORT"'
            )


def bring_what_is_missing(setting: Setting) -> list[str]:
    """The first run's user and film; returns what to say of them. Raises SetupError."""
    said = (
        firstrun.bring_users(setting.services["auth"]),
        firstrun.bring_sample(setting.services["streaming"]),
    )
    return [sentence for sentence in said if sentence]


def service_recipe(kind: str, given: dict[str, str]) -> Recipe:
    """How to start a service: a process of its own with the properties that we were given."""
    properties = (f"--{key}={value}" for key, value in given.items())
    command = (sys.executable, "-P", "-m", "iceflix.ops.serve", kind, *properties)
    return Recipe(kind, lambda: (command, None))


async def follow(
    setting: Setting, fleet: Fleet, lookout: Lookout, communicator: Ice.Communicator
) -> None:
    """Look after everything; the farm starts when clients of the videos can come."""

    async def later() -> None:
        await lookout.open.wait()
        await farm.follow(setting.services["main"], setting.given, fleet, communicator)

    await asyncio.gather(lookout.follow(), later())


async def run(setting: Setting, communicator: Ice.Communicator, fleet: Fleet) -> int:
    """Run everything until told to stop. Raises SetupError."""
    say = fleet.console.say
    check_main_port(setting, communicator)
    farm.system(setting.services["main"])
    for sentence in bring_what_is_missing(setting):
        say(sentence)
    broker = Broker(communicator, setting.services["main"])
    lookout = Lookout(setting.services["main"], fleet, broker)
    try:
        where = watch.short(str(broker.proxy))
        match await icestorm.start(broker, fleet):
            case icestorm.Start.THEIRS:
                say(f"IceStorm runs already at {where}; it is left to whoever started it")
            case icestorm.Start.ELSEWHERE:
                say(f"no IceStorm answers at {where}; the services wait for it")
            case icestorm.Start.OURS:
                pass
        for kind in SERVICES:
            fleet.launch(service_recipe(kind, setting.given))
        await fleet.until_stopped(follow(setting, fleet, lookout, communicator))
        if not fleet.failure:
            fleet.console.ending()
    finally:
        await fleet.stop(icestorm.NAME)
        lookout.show()
    if fleet.failure:
        raise fleet.failure
    say("stopped")
    return 0


def supervise(arguments: Sequence[str]) -> int:
    """Run everything. Raises SetupError."""
    setting = read_command_line(arguments)
    with sole_run(setting.home):
        console = choose_console()
        console.say(f"IceFlix {iceflix.__version__}, data in {setting.home}")

        async def body(communicator: Ice.Communicator, fleet: Fleet) -> int:
            return await run(setting, communicator, fleet)

        return foreground.run("supervisor", setting.services["main"], console, body)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return guarded(lambda: supervise(given))


if __name__ == "__main__":
    foreground.leave(main())
