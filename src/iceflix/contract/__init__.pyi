from pathlib import Path

import Ice as Ice
import IceFlix as IceFlix
import IceStorm as IceStorm

SLICE_FOLDER: Path
SLICE_FILES: tuple[str, ...]
