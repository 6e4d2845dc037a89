"""How this project sets Ice up: loopback, deadlines, bounds, logs."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from iceflix.contract import Ice
from iceflix.runtime.errors import SetupError
from iceflix.runtime.log import IceLogger
from iceflix.runtime.process import port_owner
from iceflix.runtime.settings import Settings, default_home

_PROPERTY = re.compile(r"--([A-Za-z][A-Za-z0-9]*\.[A-Za-z0-9_.]+)(?:=(.*))?", re.DOTALL)
_PORT = re.compile(r"-p\s+(\d+)")

DEFAULTS = {
    "Ice.Default.Host": "127.0.0.1",
    "Ice.Default.InvocationTimeout": "10000",
    "Ice.MessageSizeMax": "2048",  # what IceStorm takes (1024) must reach us with what it adds
    "Ice.Override.CloseTimeout": "2000",  # a hung peer never confirms the end: 60 s otherwise
    "Ice.Override.ConnectTimeout": "2000",
    "Ice.RetryIntervals": "0",
    # One thread takes replies. With two, IcePy can freeze the process: the second ends a call and
    # wants the GIL, which the caller of an asynchronous operation holds while it waits for the
    # first. So no callback of a future may wait for a call of its own.
    "Ice.ThreadPool.Client.Size": "1",
    "Ice.ThreadPool.Client.SizeMax": "1",
    "Ice.ThreadPool.Server.Size": "4",
    "Ice.ThreadPool.Server.SizeMax": "32",
    "Ice.ThreadPool.Server.SizeWarn": "0",
    "Ice.Warn.Connections": "0",
    "Ice.Warn.Dispatch": "0",
}


def split_arguments(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Take ``--Key.Name=value`` (no value: 1) and ``--lan`` out of a command line.

    Returns the properties and the remaining arguments. Whatever follows ``--`` is left alone.
    """
    properties: dict[str, str] = {}
    rest: list[str] = []
    for position, argument in enumerate(arguments):
        if argument == "--":
            rest.extend(arguments[position:])
            break
        found = _PROPERTY.fullmatch(argument)
        if found:
            properties[found[1]] = "1" if found[2] is None else found[2]
        elif argument == "--lan":
            properties["Ice.Default.Host"] = ""
        else:
            rest.append(argument)
    return properties, rest


def with_configuration(given: Mapping[str, str], shipped: Path | None = None) -> dict[str, str]:
    """Add what the configuration file says; the command line wins.

    The file is ``Ice.Config`` if given, else ``shipped`` if it exists. Raises SetupError.
    """
    named = given.get("Ice.Config")
    file = Path(named) if named else shipped
    if file is None or (not named and not file.exists()):
        return dict(given)
    properties = Ice.createProperties()
    try:
        properties.load(str(file))
    except Ice.FileException as error:
        raise SetupError(f"cannot read the configuration file {file}") from error
    return {**properties.getPropertiesForPrefix(""), **given}


def settings_from(arguments: Sequence[str], shipped: Path | None = None) -> Settings:
    """The settings of a process with this command line, all of it properties."""
    properties, rest = split_arguments(arguments)
    if rest:
        raise SetupError(f"unknown argument {rest[0]!r}; properties look like --Key.Name=value")
    return Settings(default_home(), with_configuration(properties, shipped))


def initialize(settings: Settings) -> Ice.Communicator:
    """A communicator with our defaults under the given properties. Raises SetupError."""
    data = Ice.InitializationData()
    data.properties = Ice.createProperties()
    for key, value in {**DEFAULTS, **settings.values}.items():
        if key != "Ice.Config":
            data.properties.setProperty(key, value)
    data.logger = IceLogger()  # type: ignore[assignment]  # Ice takes any object with its methods
    try:
        return Ice.initialize(None, data)
    except Ice.LocalException as error:
        raise SetupError(f"Ice does not accept its properties: {_reason(error)}") from error


def proxy_from(communicator: Ice.Communicator, text: str, what: str) -> Ice.ObjectPrx:
    """Parse a proxy that a person wrote. Raises SetupError naming ``what`` it is for."""
    try:
        proxy = communicator.stringToProxy(text)
    except Ice.LocalException as error:
        raise SetupError(f"{what}: {text[:200]!r} is no proxy ({_reason(error)})") from error
    if proxy is None:
        raise SetupError(f"{what} is empty; it must be a proxy like 'Name:tcp -h host -p port'")
    return proxy


def create_adapter(
    communicator: Ice.Communicator, name: str, default_endpoints: str
) -> Ice.ObjectAdapter:
    """An object adapter on ``<name>.Endpoints``. Raises SetupError, saying who has the port."""
    properties = communicator.getProperties()
    endpoints = properties.getProperty(f"{name}.Endpoints") or default_endpoints
    properties.setProperty(f"{name}.Endpoints", endpoints)
    try:
        return communicator.createObjectAdapter(name)
    except Ice.SocketException as error:
        port = _PORT.search(endpoints)
        owner = port_owner(int(port[1])) if port else None
        raise SetupError(
            f"cannot listen on '{endpoints}': {_reason(error)}"
            + (f"; the port is used by {owner}" if owner else "")
            + f". Stop that process or give another with --{name}.Endpoints=..."
        ) from error
    except Ice.LocalException as error:
        raise SetupError(f"{name}.Endpoints={endpoints!r}: {_reason(error)}") from error


def _reason(error: Ice.LocalException) -> str:
    text = getattr(error, "reason", "") or getattr(error, "str", "")
    number = getattr(error, "error", 0)
    if number:
        text = os.strerror(number)
    return str(text) or type(error).__name__
