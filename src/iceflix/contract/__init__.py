"""The wire contracts, and the one door through which Ice enters the project.

Everything else says ``from iceflix.contract import Ice, IceFlix, IceStorm``. The Slice files are
loaded once, at import (about 10 ms). The types that mypy sees are in ``typings/``.
"""

import importlib
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import cast

SLICE_FOLDER = Path(__file__).parent / "slice"
SLICE_FILES = ("iceflix.ice", "operations.ice", "control.ice", "farm.ice")

# Importing Ice starts a thread. It must take no signals: one that is meant for the process, and
# that the main thread waits for, would otherwise end the process there.
# Nor does it need NumPy, which it would import where it is installed (for a mapping that we do
# not use; 0.1 s at the start of every service).
_mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
_numpy = sys.modules.pop("numpy", None)
sys.modules["numpy"] = cast("ModuleType", None)  # how Python says: not to be imported
try:
    Ice = importlib.import_module("Ice")
finally:
    del sys.modules["numpy"]
    if _numpy is not None:
        sys.modules["numpy"] = _numpy
    signal.pthread_sigmask(signal.SIG_SETMASK, _mask)
for _name in SLICE_FILES:
    # --all: what a file includes is defined with it, not imported as a module of its own; what is
    # there already stays as it is.
    Ice.loadSlice("", [f"-I{SLICE_FOLDER}", "--all", str(SLICE_FOLDER / _name)])
IceFlix = importlib.import_module("IceFlix")
IceStorm = importlib.import_module("IceStorm")

__all__ = ["SLICE_FILES", "SLICE_FOLDER", "Ice", "IceFlix", "IceStorm"]
