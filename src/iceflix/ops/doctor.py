"""``iceflix doctor``: what is wrong with this installation, and how to mend it."""

from collections.abc import Iterator

from iceflix.ops.check_home import data
from iceflix.ops.check_machine import machine
from iceflix.ops.check_services import services
from iceflix.ops.findings import Finding, wrong
from iceflix.ops.project import SERVICES, configuration
from iceflix.runtime.communicator import with_configuration
from iceflix.runtime.errors import SetupError
from iceflix.runtime.settings import Settings


def examine(settings: Settings) -> list[Finding]:
    """Look at everything. Takes some seconds. Changes nothing."""
    return list(_examine(settings))


def _examine(settings: Settings) -> Iterator[Finding]:
    yield from machine(settings.home)
    try:
        of = {kind: _with_file(settings, kind) for kind in SERVICES}
        yield from data(of["auth"], of["catalog"], of["streaming"])
        yield from services(of["main"])
    except SetupError as error:
        yield wrong("properties", str(error), "mend the property, or its file in config/")


def _with_file(settings: Settings, kind: str) -> Settings:
    """The settings as that service reads them: with its own configuration file."""
    return Settings(settings.home, with_configuration(settings.values, configuration(kind)))
