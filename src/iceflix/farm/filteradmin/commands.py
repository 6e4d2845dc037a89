"""``iceflix filters add | remove | assign | status``: the filter administrator's console."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from iceflix.contract import Ice, IceFlix
from iceflix.farm.filters.commands import filters as workbench
from iceflix.runtime.adminkey import read_key
from iceflix.runtime.communicator import initialize
from iceflix.runtime.errors import Denial, InvalidRequest, NotAvailable
from iceflix.runtime.process import proxies
from iceflix.runtime.settings import Settings

_MILLIS = 10000


@contextmanager
def _administrator(settings: Settings) -> Iterator[IceFlix.FilterAdminPrx]:
    """The filter administrator that runs here; its refusals as sentences."""
    with initialize(settings) as communicator:
        found = next(iter(proxies(settings.home, "filteradmin")), None)
        proxy = communicator.stringToProxy(found) if found else None
        if proxy is None:
            raise NotAvailable(
                f"no filter administrator runs here ({settings.home}); start the farm"
            )
        try:
            yield IceFlix.FilterAdminPrx.uncheckedCast(proxy.ice_invocationTimeout(_MILLIS))
        except IceFlix.Denied as error:
            raise Denial(error.reason, error.detail) from error
        except Ice.LocalException as error:
            raise NotAvailable(
                f"the filter administrator does not answer ({type(error).__name__})"
            ) from error


def _key(settings: Settings) -> str:
    return read_key(settings.path("Farm.AdminKey"))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="The filter's name; the file's unless given.")
@click.pass_obj
def add(settings: Settings, file: Path, name: str | None) -> None:
    """Sign FILE, a filter, and let the farm use it; an older one of its name is replaced."""
    try:
        code = file.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"cannot read {file}: {error.strerror}") from error
    key = _key(settings)
    with _administrator(settings) as administrator:
        administrator.add(key, name or file.stem, code)
    click.echo(f"{name or file.stem} is signed and may be used.")


@click.command()
@click.argument("name")
@click.pass_obj
def remove(settings: Settings, name: str) -> None:
    """Take the filter NAME away from the farm."""
    key = _key(settings)
    with _administrator(settings) as administrator:
        administrator.remove(key, name)
    click.echo(f"{name} is removed.")


@click.command()
@click.argument("ring")
@click.argument("name", default="")
@click.option("--ahead", is_flag=True, help="Also for a ring that is yet to come.")
@click.pass_obj
def assign(settings: Settings, ring: str, name: str, ahead: bool) -> None:
    """System B: have RING run the filter NAME; without NAME, free the ring.

    A free ring that runs takes the first filter that no other ring runs, if there is one.
    """
    key = _key(settings)
    with _administrator(settings) as administrator:
        rings = administrator.rings()
        if ring not in rings and not ahead:
            raise InvalidRequest(
                f"nobody has heard of a ring {ring[:40]!r}; there are: "
                f"{', '.join(sorted(rings)) or 'none'} (--ahead: assign to one that is yet to come)"
            )
        administrator.assign(key, ring, name)
    if name:
        click.echo(f"{ring} runs {name} from its next turn on.")
    else:
        click.echo(
            f"{ring} is freed; it takes the first filter that no other ring runs, if there is one."
        )


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_obj
def status(settings: Settings, as_json: bool) -> None:
    """Show which rings live, and which filters they run."""
    with _administrator(settings) as administrator:
        rings = administrator.rings()
        running = [info.name for info in administrator.running()]
        known = [info.name for info in administrator.catalogue()]
    idle = sorted(set(known) - set(running))
    if as_json:
        click.echo(json.dumps({"rings": rings, "running": running, "idle": idle}, indent=2))
        return
    for ring, name in sorted(rings.items()):
        click.echo(f"ring {ring}: {name or 'every filter, or none yet'}")
    click.echo(f"running: {', '.join(running) or 'none'}")
    click.echo(f"in no ring: {', '.join(idle) or 'none'}")


COMMANDS: list[click.Command] = [add, remove, assign, status]
_console = click.Group("filters", {str(command.name): command for command in COMMANDS})
filters = click.CommandCollection(
    "filters",
    sources=[workbench, _console],
    help="Look at filters, try new ones, and administer those that the farm runs.",
)
