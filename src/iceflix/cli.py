"""The command line: ``iceflix COMMAND``. Loads only what the command needs.

Exit codes: 0 done; 1 it did not work, or something is in the way; 2 wrong usage or configuration;
3 done, but no running service could be told; 130 Ctrl-C.
"""

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click

import iceflix
from iceflix.ops.guard import guarded, run_click
from iceflix.ops.project import configuration, home


@dataclass(frozen=True)
class Entry:
    """Where a command lives, what it is for, and whose configuration file it reads.

    The attribute is the command, or a list in which it is.
    One that reads none is given the properties as arguments, to hand them on.
    """

    module: str
    attribute: str
    summary: str
    configuration: str = "client"


COMMANDS = {
    "up": Entry("iceflix.ops.commands", "up", "Run everything here until Ctrl-C.", ""),
    "serve": Entry("iceflix.ops.commands", "serve", "Run one more instance of a service.", ""),
    "status": Entry("iceflix.ops.commands", "status", "Show what is alive.", "main"),
    "doctor": Entry("iceflix.ops.commands", "doctor", "Say what is wrong and how to mend it."),
    "users": Entry("iceflix.auth.commands", "users", "Administer who may sign in.", "auth"),
    "media": Entry("iceflix.streaming.commands", "media", "Administer the videos.", "streaming"),
    "farm": Entry("iceflix.farm.commands", "farm", "Run the image-filter farm here.", "farm"),
    "client": Entry("iceflix.ops.commands", "client", "Open the client in this terminal."),
    "search": Entry("iceflix.client.commands", "COMMANDS", "Find titles by name or tags."),
    "show": Entry("iceflix.client.commands", "COMMANDS", "Show a title."),
    "rename": Entry("iceflix.client.commands", "COMMANDS", "Rename a title."),
    "tag": Entry("iceflix.client.commands", "COMMANDS", "Add tags to a title."),
    "untag": Entry("iceflix.client.commands", "COMMANDS", "Remove tags from a title."),
    "play": Entry("iceflix.client.commands", "COMMANDS", "Play a title."),
    "record": Entry("iceflix.client.commands", "COMMANDS", "Record a title into a file."),
    "filter": Entry("iceflix.farm.client.commands", "filter_images", "Filter images on the farm."),
    "filters": Entry("iceflix.farm.filteradmin.commands", "filters", "Administer filters.", "node"),
    "clock": Entry("iceflix.farm.clock.commands", "clock", "Show how wrong the clocks are."),
    "compare": Entry("iceflix.farm.compare.commands", "compare", "Measure the farm."),
    "completion": Entry("iceflix.client.commands", "COMMANDS", "Make a shell complete."),
}


class LazyGroup(click.Group):
    """A group that imports a command when it is used, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which the help shows them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of this name."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        found = getattr(importlib.import_module(entry.module), entry.attribute)
        if isinstance(found, click.Command):
            return found
        listed: list[click.Command] = found
        return next(command for command in listed if command.name == cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(iceflix.__version__, prog_name="iceflix")
def cli() -> None:
    """IceFlix: your videos, found and streamed by microservices.

    Any command takes properties, --Key.Name=value; docs/operations.md lists them. ICEFLIX_HOME
    names the folder for data. --lan makes services listen on every network interface.
    """


def run(arguments: Sequence[str]) -> int:
    """Run a command line; returns the exit code. Raises SetupError and what commands raise."""
    folder = home()
    settings = None
    rest = list(arguments)
    if any(argument in COMMANDS for argument in arguments):
        # Imported here: these load Ice, and --help is to be quick.
        communicator = importlib.import_module("iceflix.runtime.communicator")
        settings_of = importlib.import_module("iceflix.runtime.settings").Settings
        given, rest = communicator.split_arguments(arguments)
        entry = COMMANDS.get(rest[0])
        if entry is not None and entry.configuration:
            shipped = configuration(entry.configuration)
            settings = settings_of(folder, communicator.with_configuration(given, shipped))
        elif entry is not None:
            rest += [f"--{key}={value}" for key, value in given.items()]
    return run_click(cli, rest, "iceflix", settings)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return guarded(lambda: run(given))


if __name__ == "__main__":
    sys.exit(main())
