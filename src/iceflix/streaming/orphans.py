"""Which topics of controllers nobody will ever use again. Pure.

A controller destroys its topic at its end; a provider that was killed leaves its topics in the
broker's database. Their names carry the provider's id, so that the other providers can tell. They
are in no hurry: a provider must have been missing without interruption for ``patience`` seconds.
"""

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass, field

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAME = re.compile(f"StreamSync-({_UUID})-({_UUID})")
PATIENCE_SECONDS = 120.0


def topic_name(provider_id: str, controller_id: str) -> str:
    """The name of a controller's topic; unguessable if ``controller_id`` is a random UUID."""
    return f"StreamSync-{provider_id}-{controller_id}"


@dataclass
class Orphans:
    """Watches the broker's topics; ``missing`` tells since when which providers are."""

    patience_seconds: float = PATIENCE_SECONDS
    missing: dict[str, float] = field(default_factory=dict)

    def sweep(self, topics: Iterable[str], alive: Set[str], now: float) -> list[str]:
        """The topics to destroy now, given those there are and the ids of living providers."""
        owned = {match[0]: match[1] for match in map(_NAME.fullmatch, topics) if match}
        absent = set(owned.values()) - alive
        self.missing = {owner: self.missing.get(owner, now) for owner in absent}
        lost = {
            owner for owner, since in self.missing.items() if now - since >= self.patience_seconds
        }
        return [name for name, owner in owned.items() if owner in lost]
