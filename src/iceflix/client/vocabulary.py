"""The words of the client's state machine: what happens, what is to be done, what is so. Pure.

``serial`` numbers tell an answer to the present question from a late answer to an earlier one;
``request`` numbers tell whom an ``Answer`` is for.
"""

from dataclasses import dataclass, field
from enum import Enum

from iceflix.client.sentences import ClientError, Sentence


@dataclass(frozen=True)
class Policy:
    """The times and numbers that the client goes by; seconds where nothing else is said."""

    # pylint: disable=too-many-instance-attributes  # each is a time or a number

    attempts: int = 3  # V57: in all, not further ones
    pause_seconds: float = 10.0  # V57: between attempts
    renew_seconds: float = 25.0  # age at which a token is renewed without being told
    life_seconds: float = 30.0  # S1: every token's life
    retry_seconds: float = 2.0  # between attempts to renew while a session lasts
    probe_seconds: float = 3.0  # between checks that Main still answers
    misses: int = 2  # unanswered checks after which Main counts as lost
    takeover_seconds: float = 15.0  # that a stream whose server has died waits for another one
    takeover_pause_seconds: float = 0.25  # between attempts to find one


@dataclass(frozen=True)
class Title:
    """A title of the catalogue. ``reachable``: a provider is known now; else only the id is."""

    id: str
    name: str = ""
    tags: tuple[str, ...] = ()
    reachable: bool = True

    @property
    def label(self) -> str:
        """The name, or the beginning of the id when the catalogue does not tell the name now."""
        return self.name or f"{self.id[:12]}…"


@dataclass(frozen=True)
class Wish:
    """How a title is to be played: from which second on; or by RTSP, by whoever gets the URL."""

    start: float = 0.0
    rtsp: bool = False


WHOLE = Wish()


class Link(Enum):
    """The connection. LOST: it was there, Main is silent, and the client keeps trying."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    ONLINE = "online"
    LOST = "lost"


@dataclass(frozen=True)
class Login:
    """Who is signed in. ``overdue``: the token has expired and could not be renewed so far."""

    user: str | None = None
    signing_in: bool = False
    overdue: bool = False


@dataclass(frozen=True)
class Playing:
    """What is playing. ``opening``: the stream has not begun.

    ``moving``: its server has died and another one is looked for. ``seekable``: the server lets
    us choose the position.
    """

    title: Title
    opening: bool = False
    moving: bool = False
    seekable: bool = False


@dataclass(frozen=True)
class View:
    """Everything that a face shows. A new one is published whenever something changes.

    ``attempt`` counts while connecting; ``results`` is the last search that found something (V65).
    """

    link: Link = Link.OFFLINE
    main: str = ""
    attempt: int = 0
    login: Login = Login()
    results: tuple[Title, ...] = ()
    selection: Title | None = None
    playing: Playing | None = None

    @property
    def online(self) -> bool:
        """Whether Main answers."""
        return self.link is Link.ONLINE


# ---------------------------------------------------------------- events


@dataclass(frozen=True)
class ConnectAsked:
    """The user gave the proxy of a Main."""

    main: str
    request: int = 0


@dataclass(frozen=True)
class MainAnswered:
    """It is a Main, and it knows a catalogue."""

    serial: int


@dataclass(frozen=True)
class MainFailed:
    """The check of the proxy failed; NotNow is worth another attempt, anything else is not."""

    serial: int
    error: ClientError


@dataclass(frozen=True)
class MainHeard:
    """A periodic check was answered."""

    serial: int


@dataclass(frozen=True)
class MainSilent:
    """A periodic check was not answered; ``refused``: nobody listens there any more."""

    serial: int
    refused: bool


@dataclass(frozen=True)
class DisconnectAsked:
    """The user leaves this Main."""


@dataclass(frozen=True)
class SignInAsked:
    """The user gave name and password; only the digest of the password gets here (V59)."""

    user: str
    password_hash: str = field(repr=False)
    request: int = 0


@dataclass(frozen=True)
class TokenGranted:
    """An Authenticator issued a token."""

    serial: int
    token: str = field(repr=False)


@dataclass(frozen=True)
class TokenFailed:
    """No token: Denied ends a session, anything else is worth another attempt."""

    serial: int
    error: ClientError


@dataclass(frozen=True)
class Revoked:
    """Somebody's token was revoked."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class TokenDoubted:
    """A service refused a token that should be valid."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class SignOutAsked:
    """The user ends the session."""


@dataclass(frozen=True)
class Found:
    """A search has its result."""

    titles: tuple[Title, ...]


@dataclass(frozen=True)
class Chosen:
    """The user selected a title."""

    title: Title


@dataclass(frozen=True)
class TitleChanged:
    """A title has a new name or other tags."""

    title: Title


@dataclass(frozen=True)
class PlayAsked:
    """The user wants to see the selected title."""

    request: int = 0
    wish: Wish = Wish()


@dataclass(frozen=True)
class StopAsked:
    """The user has seen enough."""


@dataclass(frozen=True)
class StreamOpened:
    """Packets are on their way, for the first time or from another server."""

    serial: int
    seekable: bool = False


@dataclass(frozen=True)
class StreamFailed:
    """The stream could not be opened."""

    serial: int
    error: ClientError


@dataclass(frozen=True)
class StreamAsked:
    """The controller calls ``requestAuthentication`` (V70)."""

    serial: int


@dataclass(frozen=True)
class RefreshFailed:
    """The controller did not take a token: Denied, Gone, or it did not answer."""

    serial: int
    error: ClientError


@dataclass(frozen=True)
class StreamLost:
    """The server that sends an open stream is dead or hangs."""

    serial: int


@dataclass(frozen=True)
class StreamEnded:
    """The stream is over: the end of the title (no reason), or a reason to tell."""

    serial: int
    reason: Sentence | None = None


class Timer(Enum):
    """The timers that the machine has; each runs once at most at a time."""

    RETRY = "retry"
    PROBE = "probe"
    SIGN_IN = "sign in"
    RENEW = "renew"
    REFRESH = "refresh"
    TAKEOVER = "takeover"


@dataclass(frozen=True)
class TimerFired:
    """A timer ran out."""

    timer: Timer


Event = (
    ConnectAsked
    | MainAnswered
    | MainFailed
    | MainHeard
    | MainSilent
    | DisconnectAsked
    | SignInAsked
    | TokenGranted
    | TokenFailed
    | Revoked
    | TokenDoubted
    | SignOutAsked
    | Found
    | Chosen
    | TitleChanged
    | PlayAsked
    | StopAsked
    | StreamOpened
    | StreamFailed
    | StreamAsked
    | RefreshFailed
    | StreamLost
    | StreamEnded
    | TimerFired
)

# ---------------------------------------------------------------- effects


@dataclass(frozen=True)
class CheckMain:
    """Find out whether this proxy is a Main that knows a catalogue."""

    serial: int
    main: str


@dataclass(frozen=True)
class ProbeMain:
    """Find out whether Main still answers."""

    serial: int


@dataclass(frozen=True)
class ForgetMain:
    """Let go of Main, of every service known through it and of the topics."""


@dataclass(frozen=True)
class AskToken:
    """Ask an Authenticator for a token."""

    serial: int
    user: str
    password_hash: str = field(repr=False)


@dataclass(frozen=True)
class Listen:
    """Subscribe to ``AuthenticationStatus``, or cancel that."""

    on: bool


@dataclass(frozen=True)
class OpenStream:
    """Get a controller for the title and start to receive."""

    serial: int
    title: Title
    token: str = field(repr=False)
    wish: Wish = Wish()


@dataclass(frozen=True)
class TakeOver:
    """Go on with an open stream from another server, where it was."""

    serial: int
    title: Title
    token: str = field(repr=False)


@dataclass(frozen=True)
class RefreshStream:
    """Give the controller a token."""

    serial: int
    token: str = field(repr=False)


@dataclass(frozen=True)
class CloseStream:
    """Stop receiving and tell the controller."""

    serial: int


@dataclass(frozen=True)
class StartTimer:
    """Fire after so many seconds; replaces the timer of the same name."""

    timer: Timer
    seconds: float


@dataclass(frozen=True)
class StopTimer:
    """Do not fire."""

    timer: Timer


@dataclass(frozen=True)
class Answer:
    """A request is done (no error) or has failed."""

    request: int
    error: ClientError | None = None


@dataclass(frozen=True)
class Notice:
    """Tell the user something that was not asked for. ``bad``: something went wrong."""

    sentence: Sentence
    bad: bool = False


Effect = (
    CheckMain
    | ProbeMain
    | ForgetMain
    | AskToken
    | Listen
    | OpenStream
    | TakeOver
    | RefreshStream
    | CloseStream
    | StartTimer
    | StopTimer
    | Answer
    | Notice
)
