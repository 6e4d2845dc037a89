"""Is everything installed? Packages, plugins, the virtual environment, limits, the clock."""

import importlib.metadata
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from iceflix.ops.findings import Finding, fine, note, wrong
from iceflix.ops.project import PACKAGES, ROOT
from iceflix.runtime.errors import SetupError
from iceflix.streaming import gst

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ \\]+)", re.MULTILINE)
_FILES_ENOUGH = 1024
_LONG_AGO = time.mktime((2025, 1, 1, 0, 0, 0, 0, 0, 0))
_MEND = "type: scripts/setup run"


def debian_packages() -> Finding:
    """The Debian packages that the services need."""
    try:
        lines = PACKAGES.read_text(encoding="utf-8").splitlines()
    except OSError:
        return note("packages", "the list of Debian packages is not here (no source checkout)")
    wanted = [line.split()[1] for line in lines if line.startswith("run ")]
    dpkg = shutil.which("dpkg-query")
    if dpkg is None:
        return note("packages", "this is no Debian system; its packages cannot be checked")
    asked = subprocess.run(
        [dpkg, "-W", "-f", "${db:Status-Abbrev} ${Package}\n", *wanted],
        capture_output=True,
        text=True,
        check=False,
    )
    there = {line.split()[-1] for line in asked.stdout.splitlines() if line.startswith("ii ")}
    missing = [package for package in wanted if package not in there]
    if missing:
        return wrong("packages", f"Debian packages are missing: {' '.join(missing)}", _MEND)
    return fine("packages", f"all {len(wanted)} Debian packages are installed")


def python_packages() -> Finding:
    """The virtual environment against the lock file."""
    try:
        pins = _PIN.findall((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    except OSError:
        return note("python", "requirements.lock is not here (no source checkout)")
    off = []
    for name, version in pins:
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = "missing"
        if installed != version:
            off.append(f"{name} {installed} (locked: {version})")
    if off:
        mend = f"type: rm {ROOT / '.venv'}/.ready-*; scripts/setup run"
        return wrong("python", f"packages are not as locked: {', '.join(off)}", mend)
    return fine("python", f"{sys.executable} has all {len(pins)} packages as locked")


def gstreamer() -> Finding:
    """GStreamer and the elements that streaming is made of."""
    try:
        gst.require()
    except SetupError as error:
        return wrong("gstreamer", str(error), _MEND)
    return fine("gstreamer", f"GStreamer {gst.version()} has all elements that are needed")


def icebox() -> Finding:
    """The program in which IceStorm runs."""
    found = shutil.which("icebox")
    if found is None:
        return wrong("icestorm", "the program icebox is missing", _MEND)
    return fine("icestorm", f"IceStorm can be started ({found})")


def open_files() -> Finding:
    """How many files a process may have; a connection is one."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < _FILES_ENOUGH:
        return wrong(
            "limits",
            f"a process may open {hard} files only, so few clients can connect",
            f"raise it: ulimit -n {_FILES_ENOUGH}, or /etc/security/limits.conf",
        )
    return fine("limits", f"a process may open {hard} files")


def clock(home: Path) -> Finding:
    """Tokens carry the time of day: a clock that is far off makes Authenticators disagree."""
    now = time.time()
    files = [file for file in home.glob("*") if file.is_file()]
    newest = max((file.stat().st_mtime for file in files), default=0.0)
    mend = "set the clock, for example with: timedatectl set-ntp true"
    if now < _LONG_AGO:
        return wrong("clock", f"the clock says {time.strftime('%Y-%m-%d')}; it is not set", mend)
    if newest > now + 60:
        return wrong("clock", f"files in {home} are {newest - now:.0f} s in the future", mend)
    return fine("clock", f"the clock says {time.strftime('%Y-%m-%d %H:%M:%S %Z')}")


def machine(home: Path) -> Iterator[Finding]:
    """All of it."""
    yield debian_packages()
    yield python_packages()
    yield gstreamer()
    yield icebox()
    yield open_files()
    yield clock(home)
