"""The notation of a chain of filters: ``gray, blur:radius=4``. Pure.

    chain  = filter *("," filter)
    filter = name *(":" parameter "=" value)

Spaces around each part mean nothing; the order is kept, for filters do not commute (F35).
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from iceflix.runtime.errors import InvalidRequest

MAX_FILTERS = 16
MAX_VALUE = 100  # characters
# A name is part of file names, of module names and of a result's name, which joins them by "-".
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
_VALUE = re.compile(r"[^\x00-\x1f\x7f,:=]+")


class ImpossibleName(InvalidRequest):
    """No filter can have this name, so that there is none."""


class Step(NamedTuple):
    """One filter of a chain, with the parameters as they were typed."""

    name: str
    parameters: Mapping[str, str]


def parse_chain(text: str, limit: int = MAX_FILTERS) -> tuple[Step, ...]:
    """Read ``gray,blur:radius=4``. Raises InvalidRequest with a sentence."""
    return parse_filters(text.split(",") if text.strip() else (), limit)


def parse_filters(filters: Iterable[str], limit: int = MAX_FILTERS) -> tuple[Step, ...]:
    """Read filters that came as a list: ``["gray", "blur:radius=4"]``. Raises InvalidRequest."""
    given = list(filters)
    if not given:
        raise InvalidRequest("no filter was named; name at least one, such as gray")
    if len(given) > limit:
        raise InvalidRequest(f"{len(given)} filters are too many; at most {limit} are allowed")
    return tuple(parse_filter(text, position) for position, text in enumerate(given, start=1))


def parse_filter(text: str, position: int = 1) -> Step:
    """Read ``blur:radius=4``; the position is for the sentence.

    Raises InvalidRequest; of its kinds, ImpossibleName for a name that no filter can have.
    """
    name, *rest = (part.strip() for part in text.split(":"))
    if not name:
        raise InvalidRequest(f"filter number {position} has no name; write names between commas")
    if not NAME.fullmatch(name):
        raise ImpossibleName(
            f"{name[:40]!r} cannot be a filter's name; names are small letters, digits and _"
        )
    parameters: dict[str, str] = {}
    for part in rest:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not NAME.fullmatch(key) or not value:
            raise InvalidRequest(
                f"{part[:40]!r} is not a parameter of {name}; write {name}:name=value"
            )
        if len(value) > MAX_VALUE or not _VALUE.fullmatch(value):
            raise InvalidRequest(f"the value of {key} of {name} is too long or has odd characters")
        if key in parameters:
            raise InvalidRequest(f"{name} is given {key} twice")
        parameters[key] = value
    return Step(name, parameters)


def format_chain(steps: Iterable[Step]) -> str:
    """Write steps as ``parse_chain`` reads them."""
    return ",".join(
        ":".join((step.name, *(f"{key}={value}" for key, value in step.parameters.items())))
        for step in steps
    )
