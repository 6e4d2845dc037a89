"""How long a controller may live: the authority behind one playback. Pure: events in, effects out.

A controller is bound to one token at any moment. When that token ends it asks its client for a new
one and waits for a grace period; without one it ends (V47-V50).

    BOUND --(the token is not valid any more)--> GRACE --(grace over)--> ENDED
      ^                                            |
      +----------(a valid token is bound)----------+        stop: ENDED, from anywhere

Nobody is believed who only *says* that a token has ended: anyone can publish a revocation, so it
is a hint to ask the Authenticators at once. And nobody needs to say it: a clock of our own asks now
and then, more often towards the end of the time that a token has at most. When nobody answers, a
token counts as valid for that time and no longer: without Authenticators a stream still ends
(V21).
"""

from dataclasses import dataclass
from enum import Enum

# Parts of a token's life; the caps, in seconds, are the same for a life of 30 seconds.
_CALM_PART, _CALM_CAP = 1 / 6, 5.0  # between two questions ...
_CLOSE_PART, _CLOSE_CAP = 1 / 40, 0.75  # ... and towards its end ...
_END_PART, _END_CAP = 1 / 3, 10.0  # ... which is this long
_MARGIN_PART, _MARGIN_CAP = 1 / 300, 0.1  # after its end, to be sure


class Verdict(Enum):
    """What the Authenticators say of a token."""

    VALID = "valid"
    INVALID = "invalid"
    UNREACHABLE = "unreachable"


class State(Enum):
    """See the module's picture."""

    BOUND = "bound"
    GRACE = "grace"
    ENDED = "ended"


@dataclass(frozen=True)
class Limits:
    """Seconds: a token's life, the grace, how long Authenticators may take to answer."""

    token: float = 30.0
    grace: float = 10.0
    answer: float = 1.0
    doubt: float = 0.5  # after a revocation that was denied, ask once more this much later


@dataclass(frozen=True)
class Check:
    """Ask the Authenticators about this token and report with ``verdict``."""

    token: str


@dataclass(frozen=True)
class RequestAuthentication:
    """Tell the client that a new token is wanted; the grace has begun."""


@dataclass(frozen=True)
class End:
    """Stop the stream and remove the controller."""

    reason: str


Effect = Check | RequestAuthentication | End


class Lifetime:
    """One controller's. Times are seconds of one monotonic clock."""

    def __init__(self, token: str, now: float, limits: Limits | None = None) -> None:
        """Begin with a token that has just been found valid."""
        self._limits = limits or Limits()
        self.state = State.BOUND
        self.token = token
        self._bound_at = now
        self._asked_at: float | None = None  # a question is open
        self._hinted = False  # somebody said that the token has ended
        self._due = now
        self._plan(now)

    @property
    def deadline(self) -> float | None:
        """When ``tick`` is to be called, if nothing happens before; None after the end."""
        return None if self.state is State.ENDED else self._due

    def bind(self, token: str, now: float) -> None:
        """A token has just been found valid, by getSDP or refreshAuthentication (V48)."""
        if self.state is State.ENDED:
            return
        if token != self.token:
            self.token = token
            self._bound_at = now
        elif self.state is State.BOUND:
            return  # its own clock runs on: using a token does not extend it (V17)
        self.state = State.BOUND
        self._asked_at = None
        self._hinted = False
        self._plan(now)

    def revoked(self, token: str, now: float) -> list[Effect]:
        """Somebody published that this token has ended."""
        if self.state is not State.BOUND or token != self.token or self._hinted:
            return []
        self._hinted = True
        return [] if self._asked_at is not None else [self._ask(now)]

    def tick(self, now: float) -> list[Effect]:
        """Time has passed."""
        if self.state is State.ENDED or now < self._due:
            return []
        if self.state is State.GRACE:
            return [*self._end("its token ended and no new one came")]
        if self._asked_at is not None:
            return self._judged(Verdict.UNREACHABLE, now)
        return [self._ask(now)]

    def verdict(self, token: str, verdict: Verdict, now: float) -> list[Effect]:
        """The Authenticators were asked, and this is what they say."""
        if self.state is not State.BOUND or token != self.token:
            return []
        return self._judged(verdict, now)

    def stop(self) -> list[End]:
        """The client is done."""
        return [] if self.state is State.ENDED else self._end("stopped")

    # -- inside

    def _ask(self, now: float) -> Check:
        self._asked_at = now
        self._due = now + self._limits.answer
        return Check(self.token)

    def _judged(self, verdict: Verdict, now: float) -> list[Effect]:
        self._asked_at = None
        outlived = now >= self._bound_at + self._limits.token
        lost = verdict is Verdict.UNREACHABLE and (self._hinted or outlived)
        if verdict is Verdict.INVALID or lost:
            self.state = State.GRACE
            self._due = now + self._limits.grace
            return [RequestAuthentication()]
        self._plan(now)
        if self._hinted:
            # A lie, or an Authenticator that publishes a moment before it forgets.
            self._due = min(self._due, now + self._limits.doubt)
            self._hinted = False
        return []

    def _plan(self, now: float) -> None:
        """When to ask next."""
        life = self._limits.token
        expiry = self._bound_at + life
        if now < expiry - min(life * _END_PART, _END_CAP):
            self._due = now + min(life * _CALM_PART, _CALM_CAP)
        else:
            self._due = now + min(life * _CLOSE_PART, _CLOSE_CAP)
        if now < expiry:
            self._due = min(self._due, expiry + min(life * _MARGIN_PART, _MARGIN_CAP))

    def _end(self, reason: str) -> list[End]:
        self.state = State.ENDED
        return [End(reason)]
