"""The typed view of the properties.

Values come from the command line, then from the configuration file, then from the defaults in
``iceflix.properties``. A relative path that somebody typed is relative to the current folder; the
defaults lie under ``ICEFLIX_HOME``.
"""

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from iceflix.properties import PROPERTIES
from iceflix.runtime.errors import SetupError

DEFAULTS = {known.key: known.default for known in PROPERTIES}
# Ice reads these by itself and warns about what it does not know below them.
ICE_PREFIXES = (
    "Ice.",
    "IceBox.",
    "IceGrid.",
    "IceMX.",
    "IceSSL.",
    "IceStorm.",
    "Freeze.",
    "Glacier2.",
)
# Object adapters: Main.Endpoints, MediaCatalog.ThreadPool.Size ...
ADAPTERS = (
    "Main",
    "Authenticator",
    "MediaCatalog",
    "StreamProvider",
    "Client",
    "GatewayAdapter",
    "CentralAdapter",
    "UserAdminAdapter",
    "FilterAdminAdapter",
    "MultiserverAdapter",
    "NodeAdapter",
)
ADAPTER_PROPERTIES = ("Endpoints", "PublishedEndpoints", "ProxyOptions", "AdapterId", "Router")
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def default_home() -> Path:
    """``ICEFLIX_HOME``, or ``var`` in the current folder. The launchers always set it."""
    return Path(os.environ.get("ICEFLIX_HOME") or "var").absolute()


def is_known(key: str) -> bool:
    """Whether a property of this name means anything to IceFlix or to Ice."""
    if key in DEFAULTS or key.startswith(ICE_PREFIXES):
        return True
    adapter, _, rest = key.partition(".")
    return adapter in ADAPTERS and (
        rest in ADAPTER_PROPERTIES or rest.startswith(("ThreadPool.", "ACM."))
    )


def check_keys(keys: Iterable[str]) -> None:
    """Raise SetupError for the first unknown property, naming the nearest known one."""
    candidates = [*DEFAULTS, *(f"{adapter}.Endpoints" for adapter in ADAPTERS)]
    for key in keys:
        if not is_known(key):
            near = difflib.get_close_matches(key, candidates, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else "; docs/operations.md lists them all"
            raise SetupError(f"unknown property {key}{hint}")


class Settings:
    """Property values by type. Every getter raises SetupError for a value it cannot use."""

    def __init__(self, home: Path, values: Mapping[str, str]) -> None:
        check_keys(values)
        self.home = home
        self.values = dict(values)
        self._check_numbers()

    @classmethod
    def of(cls, home: Path, values: Mapping[str, str] | None = None) -> "Settings":
        """Settings for tests and tools: this home, these properties, else defaults."""
        return cls(home, values or {})

    def _check_numbers(self) -> None:
        """Refuse words where numbers belong, before anything is done; getters know the bounds."""
        for key in self.values.keys() & DEFAULTS.keys():
            if key.endswith("Seconds"):
                try:
                    float(self.text(key))
                except ValueError:
                    self.seconds(key)
            elif DEFAULTS[key].isdigit() and self.text(key).lower() not in _TRUE | _FALSE:
                self.integer(key)

    def text(self, key: str) -> str:
        """The value, or the default with ``{home}`` filled in."""
        value = self.values.get(key)
        if value is not None:
            return value
        if key == "Client.Main" and self.values.get("Main.Endpoints"):
            return f"IceFlix/Main:{self.values['Main.Endpoints']}"  # where Main was told to be
        return DEFAULTS[key].replace("{home}", str(self.home))

    def path(self, key: str) -> Path:
        """The value as an absolute path; ``~`` is the user's home."""
        value = self.text(key)
        if not value:
            raise SetupError(f"{key} is empty; it must name a file or folder")
        return Path(value).expanduser().absolute()

    def integer(self, key: str) -> int:
        """The value as a whole number, not negative."""
        try:
            number = int(self.text(key))
        except ValueError:
            number = -1
        if number < 0:
            raise SetupError(f"{key} must be a whole number, not {self.text(key)!r}")
        return number

    def seconds(self, key: str) -> float:
        """The value as a duration in seconds, more than zero."""
        try:
            duration = float(self.text(key))
        except ValueError:
            duration = 0.0
        if not 0.0 < duration < 1e9:
            raise SetupError(f"{key} must be a number of seconds above 0, not {self.text(key)!r}")
        return duration

    def flag(self, key: str) -> bool:
        """The value as yes or no (1/0, true/false, yes/no, on/off)."""
        value = self.text(key).lower()
        if value not in _TRUE | _FALSE:
            raise SetupError(f"{key} must be 1 or 0, not {self.text(key)!r}")
        return value in _TRUE
