"""Round robin over whoever is there (F26). Pure."""

from collections.abc import Collection


class Rotation:  # pylint: disable=too-few-public-methods  # it does one thing
    """Takes each in turn. Who was passed over because it was ill costs the others no turn."""

    def __init__(self) -> None:
        self._last = ""

    def take(self, present: Collection[str], tried: Collection[str] = ()) -> str | None:
        """Return the next one after the last that was taken; None if all have been tried."""
        candidates = sorted(set(present) - set(tried))
        if not candidates:
            return None
        after = [name for name in candidates if name > self._last]
        self._last = (after or candidates)[0]
        return self._last
