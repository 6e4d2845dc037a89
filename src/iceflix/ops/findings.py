"""What an examination finds."""

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Verdict(Enum):
    """How a finding is meant."""

    FINE = "fine"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what, how it is, and how to mend it."""

    area: str
    verdict: Verdict
    sentence: str
    mend: str = ""

    @property
    def wrong(self) -> bool:
        """Whether it hinders."""
        return self.verdict is Verdict.WRONG

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {**asdict(self), "verdict": self.verdict.value}


def fine(area: str, sentence: str) -> Finding:
    """Nothing to do."""
    return Finding(area, Verdict.FINE, sentence)


def note(area: str, sentence: str, mend: str = "") -> Finding:
    """Worth knowing; hinders nothing."""
    return Finding(area, Verdict.NOTE, sentence, mend)


def wrong(area: str, sentence: str, mend: str) -> Finding:
    """Hinders; ``mend`` says what to type or do."""
    return Finding(area, Verdict.WRONG, sentence, mend)
