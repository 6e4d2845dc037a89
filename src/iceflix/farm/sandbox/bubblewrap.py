"""The command that starts a worker in a file system, network and process space of its own.

Nothing of the machine is there but Python, the C libraries, NumPy, OpenCV, Pillow and four files
of ours, all read-only; no /proc, /dev, /tmp, home or network. Works for root and for ordinary
users wherever the kernel lets them make user namespaces.
"""

import importlib.util
import os
import shutil
import sys
import sysconfig
from functools import cache
from pathlib import Path

from iceflix.runtime.errors import SetupError

SITE = "/site"
GUEST = "iceflix.farm.sandbox.guest"
_OURS = (
    "iceflix",
    "iceflix.farm",
    "iceflix.farm.images",
    "iceflix.farm.images.codec",
    "iceflix.farm.images.container",
    "iceflix.farm.sandbox",
    GUEST,
)
_LIBRARIES = ("numpy", "cv2", "PIL")
_TURNED_DOWN = """
    --unshare-user --unshare-ipc --unshare-pid --unshare-net --unshare-uts --unshare-cgroup-try
    --cap-drop ALL --uid 65534 --gid 65534 --hostname sandbox
    --die-with-parent --new-session --clearenv
"""
ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OPENCV_LOG_LEVEL": "OFF",
}


def command(setting: str) -> list[str]:
    """The whole command; the setting is handed to the guest. Raises SetupError."""
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise SetupError(
            "bubblewrap is not installed, so filters cannot be shut in; install the package "
            "bubblewrap, or set Farm.Isolation=reduced to do with resource limits and a filter "
            "of system calls"
        )
    environment = [word for pair in ENVIRONMENT.items() for word in ("--setenv", *pair)]
    start = [bubblewrap, *_TURNED_DOWN.split(), *_no_more_namespaces(), *environment, *_mounts()]
    return [*start, "--remount-ro", "/", "--chdir", "/", "--", *python([SITE], setting)]


def _no_more_namespaces(system: str = "/proc/sys") -> list[str]:
    """The option by which the kernel refuses further user namespaces.

    Bubblewrap writes to /proc/sys for it, which container engines mount read-only. There the
    guest's filter of system calls refuses them alone, as it does everywhere.
    """
    read_only = os.statvfs(system).f_flag & os.ST_RDONLY
    return [] if read_only else ["--disable-userns"]


def plain_command(setting: str) -> list[str]:
    """The same without bubblewrap, for reduced isolation."""
    folders = dict.fromkeys(str(_folder(name).parent) for name in ("iceflix", *_LIBRARIES))
    return python(list(folders), setting)


def python(path: list[str], setting: str) -> list[str]:
    """Python, without anything of the user's, running the guest."""
    program = f"import sys; sys.path += {path!r}; from {GUEST} import main; main(sys.argv[1:])"
    return [_interpreter(), "-I", "-S", "-B", "-c", program, setting]


def _interpreter() -> str:
    return os.path.realpath(sys.executable)


@cache
def _mounts() -> tuple[str, ...]:
    """The file system: options of bubblewrap."""
    options: list[str] = []
    for name in ("bin", "lib", "lib64"):
        place = Path("/", name)
        if place.is_symlink():  # Debian's merged /usr
            options += ["--symlink", str(place.readlink()), str(place)]
    for same in dict.fromkeys((_interpreter(), *_library_folders())):
        options += ["--ro-bind", same, same]
    for name in _LIBRARIES:
        folder = _folder(name)
        options += ["--ro-bind", str(folder), f"{SITE}/{name}"]
    for bundled in _bundled():
        options += ["--ro-bind", str(bundled), f"{SITE}/{bundled.name}"]
    for name in _OURS:
        source = _origin(name)
        inside = name.replace(".", "/")
        package = "/__init__" if source.name == "__init__.py" else ""
        options += ["--ro-bind", str(source), f"{SITE}/{inside}{package}.py"]
    return tuple(options)


def _library_folders() -> list[str]:
    """Where the standard library and the C libraries are; /etc/ld.so.cache is not needed."""
    paths = sysconfig.get_paths()
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    folders = [paths["stdlib"], paths["platstdlib"], "/usr/lib64", f"/usr/lib/{multiarch}"]
    if not Path("/lib").is_symlink():
        folders += ["/lib64", f"/lib/{multiarch}"]
    folders += [str(linker) for linker in Path("/usr/lib").glob("ld-linux-*.so.*")]
    return [folder for folder in folders if Path(folder).exists()]


def _bundled() -> list[Path]:
    """The folders with the C libraries that wheels bring along: numpy.libs ..."""
    beside = (_folder(name).parent for name in _LIBRARIES)
    wanted = ("numpy.libs", "opencv_python_headless.libs", "pillow.libs")
    return [
        folder / name
        for folder in dict.fromkeys(beside)
        for name in wanted
        if (folder / name).is_dir()
    ]


def _folder(name: str) -> Path:
    return _origin(name).parent


def _origin(name: str) -> Path:
    """A module's file, without importing it. Raises SetupError when it is not installed."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise SetupError(f"the Python package {name} is not installed; run scripts/setup")
    return Path(found.origin)
