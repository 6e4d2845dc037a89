"""The outermost wrapper of every command: sentences and exit codes, never a traceback.

Exit codes: 0 done; 1 it did not work, or something is in the way; 2 wrong usage or configuration;
130 Ctrl-C; 141 the reader of our output went away.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence

import click

from iceflix.ops.project import home
from iceflix.runtime.errors import ServiceError, SetupError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141


class Occupied(SetupError):
    """What is needed is taken: a port, or the home by another run. Exit code 1."""


def guarded(run: Callable[[], int], program: str = "iceflix") -> int:
    """Run a command; returns its exit code, having said what went wrong."""
    try:
        code = run()
        sys.stdout.flush()
        return code
    except ServiceError as error:
        usage = isinstance(error, SetupError) and not isinstance(error, Occupied)
        return _complain(program, str(error), EXIT_USAGE if usage else EXIT_FAILED)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Python would try to flush what nobody reads, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    except Exception as error:  # pylint: disable=broad-exception-caught
        if os.environ.get("ICEFLIX_DEBUG") == "1":
            raise
        return _complain(program, _incident(error), EXIT_FAILED)


def run_click(
    command: click.Command, arguments: Sequence[str], program: str, settings: object
) -> int:
    """Run a click command with these settings as its object; returns the exit code."""
    try:
        code = command.main(list(arguments), prog_name=program, obj=settings, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return EXIT_INTERRUPTED
    return code if isinstance(code, int) else 0


def _complain(program: str, sentence: str, code: int) -> int:
    print(f"{program}: {sentence}", file=sys.stderr)
    return code


def _incident(error: Exception) -> str:
    """Keep the traceback for those who mend us; return a sentence that says where it is."""
    file = home() / "logs" / "commands.log"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as stream:
            stream.write(time.strftime("%Y-%m-%dT%H:%M:%S%z\n") + traceback.format_exc() + "\n")
    except OSError:
        return f"something unexpected went wrong ({type(error).__name__}: {error})"
    return f"something unexpected went wrong ({type(error).__name__}); the details are in {file}"
