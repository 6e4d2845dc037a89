"""``iceflix clock``: whose clock is how wrong. Exit code 1 if some clock is not synchronised."""

import json
import math
from dataclasses import asdict, dataclass

import click

from iceflix.contract import Ice, IceFlix
from iceflix.runtime.communicator import initialize
from iceflix.runtime.errors import NotAvailable
from iceflix.runtime.process import proxies
from iceflix.runtime.settings import Settings
from iceflix.runtime.timekeeper import FACET

_CHAIN = ("useradmin", "auth", "gateway", "central")
_MILLIS = 2000


@dataclass(frozen=True)
class Reading:
    """A service's correction towards the user administrator and its error bound, seconds."""

    service: str
    correction_seconds: float
    error_bound_seconds: float | None
    problem: str = ""


@click.command("clock")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def clock(context: click.Context, as_json: bool) -> None:
    """Show what the services of this machine add to their clocks, and how sure that is.

    The user administrator's clock is the reference; the Authenticator follows it, the gateway
    follows the Authenticator. Ten exchanges each time, the quickest counts (Cristian).
    """
    readings = look(context.obj)
    if as_json:
        click.echo(json.dumps([asdict(reading) for reading in readings], indent=2))
    else:
        for reading in readings:
            click.echo(_line(reading))
    context.exit(int(any(reading.error_bound_seconds is None for reading in readings)))


def look(settings: Settings) -> list[Reading]:
    """Ask the services that run here. Raises NotAvailable if there are none."""
    with initialize(settings) as communicator:
        readings = [
            _read(communicator, kind, proxy)
            for kind in _CHAIN
            for proxy in proxies(settings.home, kind)
        ]
    if not readings:
        raise NotAvailable(f"no service with a clock runs here ({settings.home}); start the farm")
    return readings


def _read(communicator: Ice.Communicator, kind: str, text: str) -> Reading:
    try:
        base = communicator.stringToProxy(text)
        assert base is not None
        proxy = base.ice_invocationTimeout(_MILLIS).ice_facet(FACET)
        service = IceFlix.TimeReferencePrx.uncheckedCast(proxy)
        bound = service.errorBound()
        correction = service.correction()
    except Ice.LocalException as error:
        return Reading(kind, 0.0, None, f"does not answer ({type(error).__name__})")
    if not math.isfinite(bound):
        return Reading(kind, correction, None, "not synchronised with the user administrator")
    return Reading(kind, correction, bound)


def _line(reading: Reading) -> str:
    if reading.error_bound_seconds is None:
        return f"{reading.service:<12}{reading.correction_seconds:+14.6f} s  {reading.problem}"
    bound = reading.error_bound_seconds
    shown = f"{reading.correction_seconds:+14.6f}"
    return f"{reading.service:<12}{shown} s  wrong by {bound:.6f} s at most"
