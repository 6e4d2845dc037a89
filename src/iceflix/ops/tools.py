"""``add_user`` and ``reload_media``, as the launchers in the root call them."""

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click

from iceflix.ops.guard import EXIT_USAGE, guarded, run_click
from iceflix.ops.project import configuration, home
from iceflix.runtime.communicator import split_arguments, with_configuration
from iceflix.runtime.settings import Settings


@dataclass(frozen=True)
class Tool:
    """The command that a tool is, whose configuration file it reads, and what it adds."""

    module: str
    group: str
    command: str
    configuration: str
    options: tuple[str, ...] = ()


TOOLS = {
    "add_user": Tool("iceflix.auth.commands", "users", "add", "auth", ("--replace",)),
    "reload_media": Tool("iceflix.streaming.commands", "media", "reload", "streaming"),
}


def run(arguments: Sequence[str]) -> int:
    """Run the tool that the first argument names; returns its exit code. Raises SetupError."""
    name, *others = arguments
    tool = TOOLS[name]
    given, rest = split_arguments(others)
    settings = Settings(home(), with_configuration(given, configuration(tool.configuration)))
    group: click.Group = getattr(importlib.import_module(tool.module), tool.group)
    return run_click(group.commands[tool.command], [*tool.options, *rest], name, settings)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if not given or given[0] not in TOOLS:
        print(f"one of {', '.join(TOOLS)}", file=sys.stderr)
        return EXIT_USAGE
    return guarded(lambda: run(given), given[0])


if __name__ == "__main__":
    sys.exit(main())
