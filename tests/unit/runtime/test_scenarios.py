"""Membership and failover, played from files that a person can read (tests/scenarios)."""

from pathlib import Path

import pytest

from iceflix.runtime.failover import Ask, Finish, Race
from iceflix.runtime.membership import (
    Added,
    Effect,
    Limits,
    Membership,
    Probe,
    Rumour,
    Verify,
)

SCENARIOS = Path(__file__).parents[2] / "scenarios"
_WORDS = {Verify: "verify", Probe: "probe", Added: "added"}
_BIG = {"HUGE": "x" * 1_000_000, '""': ""}


def _steps(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if "|" in line and not line.startswith("#")]
    return [[part.strip() for part in line.split("|")] for line in lines]


def _play(membership: Membership, now: float, event: str) -> str:
    words = event.split()
    if words[0] == "members":
        return ", ".join(member.rumour.id for member in membership.members()) or "nobody"
    effects: list[Effect] = []
    if words[0] == "tick":
        effects = membership.tick(now)
    elif words[0] == "announced":
        effects = membership.announced(_rumour(words[2], words[4]), now)
    else:
        rumour = _rumour(words[1], words[3])
        if words[0] in ("verified", "refuted"):
            effects = membership.verified(rumour, good=words[0] == "verified", now=now)
        elif words[0] == "answered":
            membership.answered(rumour, now)
        elif words[0] == "doubted":
            effects = membership.doubted(rumour)
        elif words[0] == "failed":
            return f"removed {rumour.id}" if membership.failed(rumour, "test") else ""
    return ", ".join(f"{_WORDS[type(effect)]} {effect.rumour.id}" for effect in effects)


def _rumour(service_id: str, address: str) -> Rumour:
    return Rumour("auth", _BIG.get(service_id, service_id), _BIG.get(address, address))


@pytest.mark.parametrize("file", sorted(SCENARIOS.glob("membership/*.txt")), ids=lambda f: f.stem)
def test_membership(file: Path) -> None:
    """Membership."""
    text = file.read_text()
    limits, trusted = Limits(), {}
    for line in text.splitlines():
        if line.startswith("limits "):
            pairs = [pair.split("=") for pair in line.split()[1:]]
            limits = Limits(**{key: int(value) for key, value in pairs})
        elif line.startswith("trusted "):
            _, kind, seconds = line.split()
            trusted[kind] = float(seconds)
    membership = Membership(limits, own_id="ME", trusted=trusted)
    played = [
        [time, event, _play(membership, float(time), event)] for time, event, _ in _steps(text)
    ]
    assert played == _steps(text)


def _run(race: Race[str], now: float, event: str) -> str:
    calls = {
        "begin": lambda: race.begin(now),
        "tick": lambda: race.tick(now),
        "failed": lambda: race.failed(now),
        "declined": lambda: race.declined(now),
        "answered": race.answered,
    }
    words = []
    for effect in calls[event]():
        if isinstance(effect, Ask):
            words.append(f"ask {effect.candidate}")
        elif isinstance(effect, Finish):
            heard = "heard" if effect.heard else "unheard"
            words.append(f"finish {'accepted' if effect.accepted else heard}")
    return ", ".join(words)


def _races() -> list[str]:
    text = (SCENARIOS / "failover" / "calls.txt").read_text()
    return ["candidates" + part for part in text.split("\ncandidates")[1:]]


@pytest.mark.parametrize("text", _races(), ids=lambda text: text.splitlines()[0])
def test_failover(text: str) -> None:
    """Failover."""
    race = Race(text.splitlines()[0].split()[1:], hedge=0.3)
    played = [[time, event, _run(race, float(time), event)] for time, event, _ in _steps(text)]
    assert played == _steps(text)
