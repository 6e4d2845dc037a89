"""One instance of one service in this process: for the supervisor and for ``iceflix serve``."""

import importlib
import sys
from collections.abc import Sequence

from iceflix.ops.guard import guarded
from iceflix.ops.project import FARM_SERVICES, SERVICES, configuration, home
from iceflix.runtime.errors import SetupError
from iceflix.runtime.host import run


def serve(arguments: Sequence[str]) -> int:
    """Run the service that the first argument names. Raises SetupError."""
    kind, *properties = arguments or [""]
    if kind not in SERVICES + FARM_SERVICES:
        known = ", ".join(SERVICES + FARM_SERVICES)
        raise SetupError(f"serve what? One of {known}, not {kind!r}")
    home()
    room = "iceflix" if kind in SERVICES else "iceflix.farm"
    module = importlib.import_module(f"{room}.{kind}.service")
    return run(kind, module.build, properties, configuration(kind))


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return guarded(lambda: serve(given))


if __name__ == "__main__":
    sys.exit(main())
