"""Where things are: the folders of the project and the user's data."""

import os
from pathlib import Path

import iceflix
from iceflix.runtime.settings import default_home

ROOT = Path(iceflix.__file__).resolve().parents[2]
CONFIG = ROOT / "config"
SAMPLE = ROOT / "samples" / "iceflix-sample.mp4"
# What a run starts: one of each.
SERVICES = ("main", "auth", "catalog", "streaming")
# The farm's, which ``iceflix serve`` starts as well.
FARM_SERVICES = ("useradmin", "gateway", "central", "filteradmin", "multiserver", "node")
PACKAGES = ROOT / "scripts" / "debian-packages.txt"


def home() -> Path:
    """The folder for data: ``ICEFLIX_HOME``, or ``var`` beside the launchers."""
    os.environ.setdefault("ICEFLIX_HOME", str(ROOT / "var"))
    return default_home()


def configuration(service: str) -> Path:
    """The shipped configuration file of a service (main, auth, catalog, streaming, icestorm)."""
    return CONFIG / f"{service}.config"
