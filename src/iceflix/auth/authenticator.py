"""What an Authenticator does: sign users in, check tokens, revoke them, follow the file.

Thread-safe; knows no Ice. One lock guards tokens, throttle and counters; it is never held while a
file is read, a password is hashed or an event is published.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from iceflix.auth import userfile
from iceflix.auth.credentials import Credentials, CredentialStore
from iceflix.auth.signing import TokenSeal
from iceflix.auth.throttle import Throttle
from iceflix.auth.tokens import Instant, Tokens
from iceflix.runtime.errors import NotAuthorized, SetupError
from iceflix.runtime.log import get_logger

_log = get_logger(__name__)
_NAME_SHOWN = 64


class LoginRefused(NotAuthorized):
    """Wrong user or wrong password hash; to be answered after ``delay_seconds``."""

    def __init__(self, delay_seconds: float) -> None:
        super().__init__("wrong user or password")
        self.delay_seconds = delay_seconds


@dataclass(frozen=True)
class World:
    """What the Authenticator needs from outside.

    ``later(seconds, callback)`` plans a call, ``revoke(token)`` publishes an event and returns at
    once, ``nonce()`` gives random bytes.
    """

    clock: Callable[[], Instant]
    nonce: Callable[[], bytes]
    later: Callable[[float, Callable[[], object]], object]
    revoke: Callable[[str], object]


@dataclass(frozen=True)
class Policy:
    """The properties that matter here: life of a token in seconds, failures before slowing down."""

    token_seconds: float
    throttle_after: int


@dataclass
class _Tally:
    """What has happened, for the status."""

    logins: int = 0
    failures: int = 0
    readings: int = 0
    problem: str = ""
    timer_armed: bool = False


class Authenticator:
    """The Authenticator of one process. The constructor raises SetupError."""

    def __init__(
        self, users: Path, seal: TokenSeal, issuer: str, policy: Policy, world: World
    ) -> None:
        self._world = world
        self._seal = seal
        self._lock = threading.Lock()
        self._tokens = Tokens(seal, issuer, policy.token_seconds)
        self._throttle = Throttle(policy.throttle_after)
        self._tally = _Tally()
        self._store = CredentialStore(users, self._adopt)

    def login(self, user: str, password_hash: str, address: str) -> str:
        """Return a new token (V14). Raises LoginRefused."""
        self.follow()
        credentials = self._store.credentials
        account = credentials.accounts.get(user)
        right = credentials.verify(user, password_hash)
        token = None
        with self._lock:
            now = self._world.clock()
            if right and account is not None:
                version = self._seal.version(user, account.text)
                token = self._tokens.issue(user, version, now, self._world.nonce())
            if token is None:
                self._tally.failures += 1
                delay = self._throttle.failed(user, address, now.monotonic)
            else:
                self._tally.logins += 1
                self._throttle.succeeded(user, address)
                self._arm(now)
        if token is None:
            # Some type the password where the name belongs: strangers' names are not logged.
            shown = user[:_NAME_SHOWN] if account is not None else "(unknown)"
            _log.info("login refused", user=shown, address=address, delay_seconds=delay)
            raise LoginRefused(delay)
        return token

    def is_authorized(self, token: str) -> bool:
        """Return whether the token is valid now, whoever issued it (V16, V20)."""
        self.follow()
        with self._lock:
            return self._tokens.check(token, self._world.clock())

    def follow(self) -> None:
        """Re-read the credentials if the file has changed.

        Done before every answer, so that a removed user is out at once, at every Authenticator
        that shares the file; costs about 2 us.
        """
        self._guarded(self._store.freshen)

    def reload(self) -> None:
        """Re-read the credentials, changed or not (V72). With a bad file the old list stays."""
        self._guarded(self._store.reload)

    def adopt(self, entries: userfile.Entries) -> None:
        """Take the users that are about to be written to the file (F18)."""
        self._store.adopt(Credentials.of(entries))

    def details(self) -> dict[str, str]:
        """Return what the status says about this service."""
        with self._lock:
            alive = self._tokens.alive(self._world.clock())
            known = {
                "users": str(len(self._store.credentials.accounts)),
                "tokens": str(alive),
                "logins": str(self._tally.logins),
                "failures": str(self._tally.failures),
                "reloads": str(self._tally.readings - 1),
                "file": str(self._store.path),
            }
            return known | ({"problem": self._tally.problem} if self._tally.problem else {})

    def _guarded(self, reading: Callable[[], object]) -> None:
        try:
            reading()
        except SetupError as error:
            self._tally.problem = f"{error}; the users read before stay"
            _log.error("credentials not reloaded, the users read before stay", problem=str(error))

    def _adopt(self, credentials: Credentials) -> None:
        versions = {
            user: self._seal.version(user, account.text)
            for user, account in credentials.accounts.items()
        }
        with self._lock:
            ended = self._tokens.adopt(versions, self._world.clock())
            self._tally.readings += 1
            self._tally.problem = ""
        _log.info("credentials read", users=len(versions), tokens_ended=len(ended))
        if credentials.closed:
            closed = [user[:_NAME_SHOWN] for user in credentials.closed[:20]]
            _log.warning("users without a usable password_hash cannot sign in", users=closed)
        self._revoke(ended)

    def _arm(self, now: Instant) -> None:
        """Have ``_expire`` called when the next token is due; holds the lock."""
        due = self._tokens.next_due()
        if due is not None and not self._tally.timer_armed:
            self._tally.timer_armed = True
            self._world.later(max(0.0, due - now.monotonic), self._expire)

    def _expire(self) -> None:
        with self._lock:
            now = self._world.clock()
            self._tally.timer_armed = False
            expired = self._tokens.due(now)
            self._arm(now)
        self._revoke(expired)

    def _revoke(self, tokens: Iterable[str]) -> None:
        for token in tokens:
            self._world.revoke(token)
