"""What the client's state machine remembers between events. Pure."""

from dataclasses import dataclass, field

from iceflix.client import vocabulary as v


@dataclass
class Account:
    """Somebody who is signing in or signed in."""

    user: str
    password_hash: str = field(repr=False)
    asking: int = 0  # the number of the question that waits for an answer
    attempt: int = 1  # 0: signed in
    token: str = field(default="", repr=False)
    granted_at: float = 0.0
    request: int = 0

    @property
    def signed_in(self) -> bool:
        """Whether there has been a token."""
        return self.attempt == 0


@dataclass
class Connection:
    """The numbers behind the link."""

    serial: int = 0  # of the present connection
    misses: int = 0  # checks in a row that Main did not answer
    last: int = 0  # serial given to anything
    request: int = 0


@dataclass
class Step:
    """The event in hand: when it happened and what is to be done about it."""

    now: float = 0.0
    out: list[v.Effect] = field(default_factory=list)


@dataclass
class Stream:
    """A stream that is wanted, opening, open, or without a server for the moment."""

    # pylint: disable=too-many-instance-attributes  # each is one fact about it

    serial: int
    title: v.Title
    request: int | None  # None: answered
    wish: v.Wish
    given: str = field(default="", repr=False)  # the token that the controller holds
    open: bool = False
    asked: bool = False  # the controller waits for a token that it does not hold
    denied: bool = False  # opening it was denied once
    lost_at: float | None = None  # when its server died; None: it has one
