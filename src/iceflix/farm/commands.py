"""``iceflix farm up | status | down``: a farm on this machine.

Exit codes: 0 done; 1 it did not work, or no farm runs here; 2 wrong usage.
"""

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from typing import Any

import click

from iceflix.contract import Ice
from iceflix.farm.launch import Farm, Plan
from iceflix.farm.opening import AUTHENTICATOR, Opening
from iceflix.farm.samples import bring_images
from iceflix.farm.survey import Ring, Survey, look
from iceflix.runtime.communicator import initialize, proxy_from
from iceflix.runtime.errors import SetupError
from iceflix.runtime.settings import Settings

_READY_SECONDS = 30.0
_ALONE_SECONDS = 25.0  # the rest of them: an Authenticator that runs is found within five seconds
_LOOK_SECONDS = 0.2
_BROKER = "IceStorm.TopicManager.Proxy"
_BROKER_MILLIS = 1000


@click.group()
def farm() -> None:
    """Run the image-filter farm on this machine."""


@farm.command()
@click.option("--system", type=click.Choice(["A", "B"], case_sensitive=False), default="A")
@click.option("--multiservers", type=click.IntRange(1, 20), default=2, show_default=True)
@click.option("--rings", type=click.IntRange(1, 20), default=2, show_default=True)
@click.option("--nodes", type=click.IntRange(1, 50), default=3, show_default=True, help="Per ring.")
@click.option("--foreground", is_flag=True, help="Stay until Ctrl-C, then stop the farm.")
@click.pass_context
def up(context: click.Context, /, *, foreground: bool, **shape: Any) -> None:
    """Start a farm: administrators, gateway, central, multiservers, rings of nodes."""
    settings: Settings = context.obj
    here = Farm(settings.home)
    with _plain():
        brought = bring_images(settings)
        started = here.start(Plan(**{**shape, "system": shape["system"].upper()}), settings.values)
        try:
            here.wait_ready(started, _READY_SECONDS)
        except (SetupError, KeyboardInterrupt):
            here.stop()
            raise
    if brought:
        click.echo(brought)
    click.echo(f"{len(started)} processes run ({settings.home}).")
    complaint = _until_open(settings, here)
    click.echo(complaint or "Farm: ready", err=bool(complaint))
    if not foreground:
        click.echo("Look at it with: iceflix farm status; stop it with: iceflix farm down")
        return
    click.echo("Ctrl-C stops it.")
    signal.sigwait(_awaited())
    click.echo(f"{here.stop()} processes stopped.")


@farm.command()
@click.pass_context
def down(context: click.Context) -> None:
    """Stop the farm that was started here."""
    settings: Settings = context.obj
    with _plain():
        stopped = Farm(settings.home).stop()
    if not stopped:
        raise click.ClickException(
            f"no farm was started on {settings.home} by iceflix farm up; run_iceflix stops its own"
        )
    click.echo(f"{stopped} processes stopped.")


@farm.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Show rings, masters, queues, nodes with their loads, filters."""
    settings: Settings = context.obj
    ready = Farm(settings.home).ready()
    communicator = initialize(settings)
    try:
        survey = look(communicator, ready)
    finally:
        communicator.destroy()
    if as_json:
        click.echo(json.dumps(survey.as_dict(), indent=2))
    else:
        for line in _lines(survey):
            click.echo(line)
    if not survey.multiservers and not survey.rings:
        if not as_json:
            click.echo(f"no farm runs on {settings.home}; start one with: iceflix farm up")
        context.exit(1)


def _lines(survey: Survey) -> list[str]:
    lines = [
        f"multiserver {each.name}: {each.queued} waiting, {each.running} under way, of "
        f"{each.capacity}; rings: {' '.join(each.rings) or 'none'}"
        for each in survey.multiservers
    ]
    for ring in survey.rings:
        lines += _ring_lines(ring)
    others = [each for each in survey.services if each.kind not in ("node", "multiserver")]
    lines += [f"{each.kind}: answers (process {each.pid})" for each in others]
    lines += [f"{each.kind}: DOES NOT ANSWER (process {each.pid})" for each in survey.silent]
    return lines


def _ring_lines(ring: Ring) -> list[str]:
    lines = [
        f"ring {ring.ring}: master {ring.master[:8]}, epoch {ring.epoch}, "
        f"{ring.turns_per_second:g} turns/s, filter {ring.filter or 'any'}"
    ]
    for node in ring.nodes:
        lines.append(
            f"  node {node.id[:8]}: {node.cpu_free:.2f} processors and {node.free_megabytes} MB "
            f"free, {node.running} of {node.slots} tasks, {node.hop_milliseconds:.1f} ms a pass"
        )
    return lines


def _until_open(settings: Settings, here: Farm) -> str:
    """Wait until requests can come; otherwise return the sentence that says what is missing."""
    communicator = initialize(settings)
    deadline = time.monotonic() + _READY_SECONDS
    try:
        broker = proxy_from(communicator, settings.text(_BROKER), _BROKER)
        if not _answers(broker.ice_invocationTimeout(_BROKER_MILLIS)):
            return (
                f"No IceStorm answers at {settings.text(_BROKER)}; the farm waits for it "
                "(./run_icestorm or ./run_iceflix starts one)."
            )
        opening = Opening(communicator)
        while missing := opening.missing(here.ready()):
            if missing == AUTHENTICATOR and time.monotonic() > deadline - _ALONE_SECONDS:
                return (
                    "Farm: no Authenticator answers, and without one every request is refused "
                    "(./run_iceflix starts one)."
                )
            if time.monotonic() > deadline:
                return f"Farm: still waiting for {missing}; see {here.home}/logs"
            time.sleep(_LOOK_SECONDS)
    finally:
        communicator.destroy()
    return ""


def _answers(proxy: Ice.ObjectPrx) -> bool:
    try:
        proxy.ice_ping()
    except Ice.Exception:
        return False
    return True


def _awaited() -> set[signal.Signals]:
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    return signals


@contextlib.contextmanager
def _plain() -> Iterator[None]:
    """What cannot be done is said in a sentence."""
    try:
        yield
    except SetupError as error:
        raise click.ClickException(str(error)) from error
