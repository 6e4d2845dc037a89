"""The commands of ``iceflix`` that run the system rather than use it."""

import importlib
import json
import sys
from typing import Any

import click

from iceflix.ops import doctor as doctors
from iceflix.ops import serve as serving
from iceflix.ops import status as reports
from iceflix.ops import supervisor
from iceflix.ops.project import FARM_SERVICES, SERVICES
from iceflix.ops.report import doctor_table, status_table
from iceflix.runtime.errors import SetupError
from iceflix.runtime.settings import Settings

_PASSED_ON: dict[str, Any] = {"ignore_unknown_options": True}


@click.command(context_settings=_PASSED_ON)
@click.argument("properties", nargs=-1, type=click.UNPROCESSED)
def up(properties: tuple[str, ...]) -> int:
    """Run one instance of every service here until Ctrl-C, like ./run_iceflix.

    PROPERTIES (--Key.Name=value, --lan) go to every service.
    """
    return supervisor.supervise(properties)


@click.command(context_settings=_PASSED_ON)
@click.argument("service", type=click.Choice(SERVICES + FARM_SERVICES))
@click.argument("properties", nargs=-1, type=click.UNPROCESSED)
def serve(service: str, properties: tuple[str, ...]) -> int:
    """Run one more instance of a service in this process, on a port of its own.

    On another machine, tell it where the topic manager is and let others reach it:
    --lan --IceStorm.TopicManager.Proxy="IceStorm/TopicManager:tcp -h HOST -p 10000"
    """
    return serving.serve([service, *properties])


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option("--main", "main_proxy", metavar="PROXY", help="Main's proxy; default: Client.Main.")
@click.pass_context
def status(context: click.Context, as_json: bool, main_proxy: str | None) -> None:
    """Show what is alive, as Main and the services themselves see it.

    Exit code 0: all is well; 1: something is missing.
    """
    settings: Settings = context.obj
    report = reports.look(settings, main_proxy)
    if as_json:
        click.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
    else:
        status_table(report)
    context.exit(0 if report.well else 1)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Say what is wrong with this installation, and how to mend it.

    Exit code 0: nothing that hinders; 1: something is wrong.
    """
    settings: Settings = context.obj
    findings = doctors.examine(settings)
    if as_json:
        click.echo(json.dumps([one.as_json() for one in findings], ensure_ascii=False, indent=2))
    else:
        doctor_table(findings)
    context.exit(1 if any(one.wrong for one in findings) else 0)


@click.command(context_settings=_PASSED_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def client(arguments: tuple[str, ...]) -> int:
    """Open the client in this terminal. ARGUMENTS: Main's proxy, properties."""
    try:
        module = importlib.import_module("iceflix.client.app")
    except ModuleNotFoundError as error:
        if error.name != "iceflix.client.app":
            raise
        raise SetupError("this version has no terminal client; see iceflix --help") from error
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise SetupError("the client needs a terminal; for scripts there are iceflix search, ...")
    code: int = module.main(list(arguments))
    return code
