"""Who a user is, asked of the Authenticators. No thread waits for an answer.

An Authenticator holds back the refusal of somebody who guesses, for five seconds at most: such
silence must neither make it look dead nor keep anybody else waiting.
"""

import dataclasses
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import NO_SERVERS, NOT_AUTHORIZED
from iceflix.farm.gateway.desk import Admission, Login, World
from iceflix.farm.gateway.waiting import COME_BACK_SECONDS, LOOK_SECONDS, Departures, Patience, Turn
from iceflix.runtime.calls import Known
from iceflix.runtime.channels import AUTHENTICATOR
from iceflix.runtime.directory import Directory
from iceflix.runtime.errors import Denial
from iceflix.runtime.failover import Ask, Finish, Race
from iceflix.runtime.log import get_logger
from iceflix.runtime.request import CORRELATION

_MILLIS = 8000
# It is there, and will not know better in a moment.
_BROKEN = (Ice.UnknownException, Ice.InvocationTimeoutException)
_log = get_logger(__name__)
_Candidate = Known[IceFlix.AuthenticatorPrx]
_Effects = Sequence[Ask[_Candidate] | Finish]


@dataclass
class _Question:
    """A login on its way; when an Authenticator was first lost with it."""

    login: Login
    done: Admission
    lost_at: float | None = None


class Users:  # pylint: disable=too-few-public-methods  # one question
    """Asks by the contract of the streaming half (F13).

    While the last Authenticator that was there may be on its way back, the question waits for it.
    """

    def __init__(
        self, directory: Directory, world: World, hedge: float, patience: Patience
    ) -> None:
        """After ``hedge`` seconds of silence the next Authenticator is asked as well."""
        self._directory = directory
        self._world = world
        self._hedge = hedge
        self._patience = patience
        self._departures = Departures(directory, AUTHENTICATOR)

    def check(self, login: Login, done: Admission) -> None:
        """Find out whether some Authenticator lets the user in. Returns at once."""
        self._look(_Question(login, done))

    def _look(self, question: _Question) -> None:
        candidates = self._directory.all(AUTHENTICATOR)
        if candidates:
            race = Race(candidates, self._hedge)
            contest = _Contest(race, question.login, self._world, self._departures)
            contest.begin(lambda verdict: self._ended(question, verdict))
        elif self._patience.lasts or _hopeful(question):
            self._world.after(LOOK_SECONDS, lambda: self._look(question))
        else:
            question.done(Denial(NO_SERVERS, "no Authenticator answers; try again later"))

    def _ended(self, question: _Question, verdict: "_Verdict") -> None:
        if verdict.heard:
            refused = Denial(NOT_AUTHORIZED, "wrong user or password")
            question.done(None if verdict.admitted else refused)
            return
        if verdict.lost and question.lost_at is None:
            question.lost_at = time.monotonic()
        if verdict.lost and _hopeful(question):
            # Not at once: the directory may not have noticed yet.
            self._world.after(LOOK_SECONDS, lambda: self._look(question))
        else:
            question.done(Denial(NO_SERVERS, "no Authenticator works; try again later"))


def _hopeful(question: _Question) -> bool:
    lost_at = question.lost_at
    return lost_at is not None and time.monotonic() - lost_at < COME_BACK_SECONDS


@dataclass(frozen=True)
class _Verdict:
    """How it ended: ``heard`` if one decided; ``lost`` if one went away with the question."""

    heard: bool
    admitted: bool = False
    lost: bool = False


class _Contest:  # pylint: disable=too-few-public-methods  # one question
    """One question to every Authenticator known, until one decides. Thread-safe."""

    def __init__(
        self, race: Race[_Candidate], login: Login, world: World, departures: Departures
    ) -> None:
        self._race = race
        self._login = login
        self._world = world
        self._departures = departures
        self._lock = threading.Lock()
        self._verdict = _Verdict(heard=False)

    def begin(self, ended: Callable[[_Verdict], None]) -> None:
        """Ask the first; calls back once."""
        with self._lock:
            effects = self._race.begin(time.monotonic())
        self._apply(effects, ended)

    def _apply(self, effects: _Effects, ended: Callable[[_Verdict], None]) -> None:
        for effect in effects:
            if isinstance(effect, Finish):
                ended(self._verdict)
                return
            self._ask(effect.candidate, ended)
            wakes = self._race.wakes
            if math.isfinite(wakes):  # else it was the last one
                self._world.after(max(0.0, wakes - time.monotonic()), lambda: self._tick(ended))

    def _tick(self, ended: Callable[[_Verdict], None]) -> None:
        with self._lock:
            effects = self._race.tick(time.monotonic())
        self._apply(effects, ended)

    def _ask(self, candidate: _Candidate, ended: Callable[[_Verdict], None]) -> None:
        turn = Turn()

        def settle(error: BaseException | None) -> None:
            if turn.end():
                with self._lock:
                    effects = self._judge(error)
                self._apply(effects, ended)

        def answered(future: "Ice.Future[str]") -> None:
            stop()
            # What follows may call somebody: never on the one thread by which all answers come.
            self._world.after(0, lambda: settle(future.exception()))

        stop = self._departures.watch(candidate, lambda: settle(Ice.TimeoutException()))
        login, proxy = self._login, candidate.proxy.ice_invocationTimeout(_MILLIS)
        context = {CORRELATION: login.context}
        try:
            future = proxy.refreshAuthorizationAsync(login.user, login.password_hash, context)
        except Ice.LocalException as error:
            stop()
            settle(error)
        else:
            future.add_done_callback(answered)

    def _judge(self, error: BaseException | None) -> _Effects:
        now = time.monotonic()
        if error is None or isinstance(error, Ice.UserException):
            if not self._race.over:
                self._verdict = _Verdict(heard=True, admitted=error is None)
            return self._race.answered()
        name = type(error).__name__
        _log.warning("an Authenticator did not answer", correlation=self._login.context, error=name)
        if not isinstance(error, _BROKEN):
            self._verdict = dataclasses.replace(self._verdict, lost=True)
        return self._race.failed(now)
