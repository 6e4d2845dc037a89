"""Services that are of no use to us, but that may need us: whoever is new among them is greeted.

Services announce themselves seldom while nothing happens; one that starts, or starts again, must
not wait for the next time. Those of use to us are greeted once they are verified
(``Directory.on_newcomer``); strangers are not looked at, so what they cost is bounded: a greeting
every so often, however many there are.
"""

import threading
from collections import OrderedDict

PAUSE_SECONDS = 0.5
_REMEMBERED = 1000


class Strangers:
    """Who has been heard of. Thread-safe."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()
        self._greeting = False
        self._lock = threading.Lock()

    def heard(self, service_id: str) -> bool:
        """Whether to plan a greeting, ``PAUSE_SECONDS`` from now."""
        with self._lock:
            new = service_id not in self._known
            self._known[service_id] = None
            self._known.move_to_end(service_id)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            if not new or self._greeting:
                return False
            self._greeting = True
            return True

    def greeted(self) -> None:
        """The planned greeting has been sent; it was for all who came meanwhile."""
        self._greeting = False
