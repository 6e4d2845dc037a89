"""A real smbd on a port of its own, for tests."""

import contextlib
import os
import shutil
import socket
import subprocess
from pathlib import Path

import psutil

from tests.conftest import free_port, wait_until

SMBD = shutil.which("smbd") or shutil.which("smbd", path="/usr/sbin")
PDBEDIT = shutil.which("pdbedit") or "pdbedit"
PASSWORD = "secret"
NOBODY = 65534
_PLACES = {
    "private dir": "private",
    "lock directory": "lock",
    "state directory": "state",
    "cache directory": "cache",
    "ncalrpc dir": "ncalrpc",
    "pid directory": "pid",
}


class Samba:
    """One share, ``images``, served by this user; ``as_nobody``: all of it is nobody's."""

    def __init__(self, folder: Path, as_nobody: bool) -> None:
        self.share = folder / "share"
        self.port = free_port()
        self._folder = folder
        self._nobody = as_nobody
        self._user = "nobody" if as_nobody or os.geteuid() else "root"
        if os.geteuid():
            self._user = Path("~").expanduser().owner()
        self._config = folder / "smb.conf"
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("share", *_PLACES.values()):
            (folder / name).mkdir(mode=0o755)
        self._configure()
        if as_nobody:
            for place in (folder, *folder.rglob("*")):
                shutil.chown(place, NOBODY, NOBODY)
        command = [PDBEDIT, "-s", str(self._config), "-a", "-u", self._user, "-t"]
        twice = f"{PASSWORD}\n{PASSWORD}\n".encode()
        subprocess.run([*self._as_user, *command], input=twice, check=True, capture_output=True)

    @property
    def url(self) -> str:
        """The share's URL."""
        return f"smb://{self._user}:{PASSWORD}@127.0.0.1:{self.port}/images"

    def configure(self, **options: str) -> None:
        """Change options of the share (``read_only="yes"``); takes a restart."""
        self._configure(options)

    def start(self) -> None:
        """Start it and wait until it listens."""
        assert SMBD is not None
        command = [SMBD, "-F", "--no-process-group", "-s", str(self._config)]
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*self._as_user, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._listens, what="smbd listens")

    def stop(self) -> None:
        """Kill it and the processes of its connections."""
        if self._process is not None:
            smbd = psutil.Process(self._process.pid)
            for each in (smbd, *smbd.children()):
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
            self._process.wait()
            self._process = None

    @property
    def _as_user(self) -> list[str]:
        change = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        return change if self._nobody else []

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _configure(self, options: dict[str, str] | None = None) -> None:
        lines = ["[global]", f"smb ports = {self.port}", "interfaces = 127.0.0.1"]
        lines += ["bind interfaces only = yes", "server role = standalone", "load printers = no"]
        lines += ["disable spoolss = yes", "map to guest = never", f"log file = {self._folder}/log"]
        lines += [f"{key} = {self._folder / place}" for key, place in _PLACES.items()]
        share = {"path": str(self.share), "read only": "no"}
        share |= {key.replace("_", " "): value for key, value in (options or {}).items()}
        lines += ["[images]", *(f"{key} = {value}" for key, value in share.items())]
        self._config.write_text("\n".join(lines) + "\n")
