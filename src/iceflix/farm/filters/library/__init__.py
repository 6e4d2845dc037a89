"""The shipped filters, one file each. They are read as text; workers alone import them."""

import hashlib
from functools import cache
from importlib.resources import files

from iceflix.runtime.errors import InvalidRequest


@cache
def names() -> tuple[str, ...]:
    """The shipped filters' names, sorted."""
    found = (entry.name for entry in files(__package__).iterdir())
    return tuple(sorted(name[:-3] for name in found if name.endswith(".py") and name[0] != "_"))


@cache
def code(name: str) -> bytes:
    """A shipped filter's file. Raises InvalidRequest for a name that is not shipped."""
    if name not in names():
        raise InvalidRequest(f"no filter {name[:40]!r} is shipped; there are {', '.join(names())}")
    return (files(__package__) / f"{name}.py").read_bytes()


@cache
def digests() -> frozenset[str]:
    """The SHA-256 of every shipped filter, as hexadecimal text."""
    return frozenset(hashlib.sha256(code(name)).hexdigest() for name in names())
