"""The client as a state machine: events in, effects out; no I/O, no threads, no clock of its own.

Three things live side by side. The *link* goes OFFLINE -> CONNECTING -> ONLINE, and between ONLINE
and LOST as Main falls silent and answers again. The *account* holds one token at a time: it is
renewed by the client's own clock before it expires, at once when it is revoked or doubted, and
until then it is good. The *stream* remembers which token its controller holds: a controller that
asks for authentication gets a token that it does not have yet, never the old one - when there is
none, the answer waits for the renewal (V70). A token that a renewal brings goes to the controller
unasked, so that playback outlives a broken IceStorm and clients that topics cannot reach.

    opening --StreamOpened--> open --StreamLost--> moving --StreamOpened--> open
                               |                     | no server for takeover_seconds
                               `---- StreamEnded ----+--> none

A stream whose server has died keeps its player; another server that has the title is looked for
until one goes on with it or the time for that is over.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from iceflix.client import vocabulary as v
from iceflix.client.memory import Account, Connection, Step, Stream
from iceflix.client.sentences import (
    ClientError,
    Denied,
    Gone,
    NotNow,
    Refusal,
    Sentence,
    Unreachable,
    say,
)


class Machine:
    """``handle(event, now)`` returns what is to be done; ``view`` is what a face shows."""

    def __init__(self, policy: v.Policy) -> None:
        self.policy = policy
        self.view = v.View()
        self._account: Account | None = None
        self._stream: Stream | None = None
        self._link = Connection()
        self._step = Step()
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            v.ConnectAsked: self._connect_asked,
            v.MainAnswered: self._main_answered,
            v.MainFailed: self._main_failed,
            v.MainHeard: self._main_heard,
            v.MainSilent: self._main_silent,
            v.DisconnectAsked: lambda event: self._leave(),
            v.SignInAsked: self._sign_in_asked,
            v.TokenGranted: self._token_granted,
            v.TokenFailed: self._token_failed,
            v.Revoked: lambda event: self._doubt(event.token),
            v.TokenDoubted: lambda event: self._doubt(event.token),
            v.SignOutAsked: lambda event: self._sign_out(),
            v.Found: self._found,
            v.Chosen: lambda event: self._show(selection=event.title),
            v.TitleChanged: self._title_changed,
            v.PlayAsked: self._play_asked,
            v.StopAsked: lambda event: self._close_stream(),
            v.StreamOpened: self._stream_opened,
            v.StreamFailed: self._stream_failed,
            v.StreamAsked: self._stream_asked,
            v.RefreshFailed: self._refresh_failed,
            v.StreamLost: self._stream_lost,
            v.StreamEnded: self._stream_ended,
            v.TimerFired: self._timer_fired,
        }

    def handle(self, event: v.Event, now: float) -> list[v.Effect]:
        """Take one event in; ``now`` is monotonic, in seconds."""
        self._step = Step(now)
        self._handlers[type(event)](event)
        return self._step.out

    def token(self, now: float) -> str | None:
        """Return the token that is good now, or None when there is none (yet)."""
        account = self._account
        if account is None or not account.token:
            return None
        alive = now - account.granted_at < self.policy.life_seconds
        return account.token if alive else None

    def missing(self, *, session: bool = False, selection: bool = False) -> Refusal | None:
        """Tell what an operation lacks: connection, session or selection, in that order.

        V67 and V69 want three different messages.
        """
        if self.view.link not in {v.Link.ONLINE, v.Link.LOST}:
            return Refusal(say("You are not connected. Connect to a server first."))
        if session and self.view.login.user is None:
            return Refusal(say("You are not signed in. Sign in first."))
        if selection and self.view.selection is None:
            return Refusal(say("No title is selected. Search, then select a title first."))
        return None

    def _show(self, **changes: Any) -> None:
        self.view = replace(self.view, **changes)

    def _do(self, *effects: v.Effect) -> None:
        self._step.out.extend(effects)

    def _tell(self, sentence: Sentence, *, bad: bool = False) -> None:
        self._do(v.Notice(sentence, bad))

    def _next(self) -> int:
        self._link.last += 1
        return self._link.last

    # ------------------------------------------------------------ link

    def _connect_asked(self, event: v.ConnectAsked) -> None:
        if event.main != self.view.main:
            self._show(results=(), selection=None)
        self._leave()
        self._link.serial, self._link.request = self._next(), event.request
        self._show(link=v.Link.CONNECTING, main=event.main, attempt=1)
        self._do(v.CheckMain(self._link.serial, event.main))

    def _main_answered(self, event: v.MainAnswered) -> None:
        if event.serial == self._link.serial and self.view.link is v.Link.CONNECTING:
            self._link.misses = 0
            self._show(link=v.Link.ONLINE, attempt=0)
            self._do(v.StartTimer(v.Timer.PROBE, self.policy.probe_seconds))
            self._do(v.Answer(self._link.request))

    def _main_failed(self, event: v.MainFailed) -> None:
        if event.serial != self._link.serial or self.view.link is not v.Link.CONNECTING:
            return
        if isinstance(event.error, NotNow) and self.view.attempt < self.policy.attempts:
            self._wait_for_another(v.Timer.RETRY, self.view.attempt, event.error)
            self._show(attempt=self.view.attempt + 1)
            return
        self._show(link=v.Link.OFFLINE, attempt=0)
        self._do(v.ForgetMain(), v.Answer(self._link.request, event.error))

    def _wait_for_another(self, timer: v.Timer, attempt: int, error: ClientError) -> None:
        self._do(v.StartTimer(timer, self.policy.pause_seconds))
        self._tell(
            say(
                "Attempt {attempt} of {attempts}: {reason} Trying again in {seconds:g} s.",
                attempt=attempt,
                attempts=self.policy.attempts,
                reason=error.sentence,
                seconds=self.policy.pause_seconds,
            )
        )

    def _main_heard(self, event: v.MainHeard) -> None:
        if event.serial != self._link.serial or self.view.link not in {v.Link.ONLINE, v.Link.LOST}:
            return
        self._link.misses = 0
        if self.view.link is v.Link.LOST:
            self._tell(say("The connection is back."))
        self._show(link=v.Link.ONLINE)
        self._do(v.StartTimer(v.Timer.PROBE, self.policy.probe_seconds))

    def _main_silent(self, event: v.MainSilent) -> None:
        if event.serial != self._link.serial or self.view.link not in {v.Link.ONLINE, v.Link.LOST}:
            return
        self._link.misses += 1
        lost = event.refused or self._link.misses >= self.policy.misses
        if lost and self.view.link is v.Link.ONLINE:
            self._show(link=v.Link.LOST)
            self._tell(say("The connection is lost: the server does not answer."), bad=True)
        self._do(v.StartTimer(v.Timer.PROBE, self.policy.probe_seconds))

    def _leave(self) -> None:
        self._sign_out()
        if self.view.link is v.Link.OFFLINE:
            return
        if self.view.link is v.Link.CONNECTING:
            self._do(v.Answer(self._link.request, ClientError(say("The attempt was cancelled."))))
        self._link.serial = self._next()
        self._show(link=v.Link.OFFLINE, attempt=0)
        self._do(v.StopTimer(v.Timer.RETRY), v.StopTimer(v.Timer.PROBE), v.ForgetMain())

    # ------------------------------------------------------------ account

    def _sign_in_asked(self, event: v.SignInAsked) -> None:
        refusal = self.missing()
        if refusal is not None:
            self._do(v.Answer(event.request, refusal))
            return
        self._sign_out()
        self._account = Account(event.user, event.password_hash, request=event.request)
        self._show(login=v.Login(signing_in=True))
        self._ask_token(self._account)

    def _ask_token(self, account: Account) -> None:
        account.asking = self._next()
        self._do(v.StopTimer(v.Timer.RENEW))
        self._do(v.AskToken(account.asking, account.user, account.password_hash))

    def _token_granted(self, event: v.TokenGranted) -> None:
        account = self._account
        if account is None or event.serial != account.asking:
            return
        account.token, account.granted_at, account.asking = event.token, self._step.now, 0
        self._do(v.StartTimer(v.Timer.RENEW, self.policy.renew_seconds))
        self._show(login=v.Login(account.user))
        if not account.signed_in:
            account.attempt = 0
            self._do(v.Listen(on=True), v.Answer(account.request))
        self._hand_over(fresh=True)

    def _token_failed(self, event: v.TokenFailed) -> None:
        account = self._account
        if account is None or event.serial != account.asking:
            return
        account.asking = 0
        if not account.signed_in:
            if isinstance(event.error, NotNow) and account.attempt < self.policy.attempts:
                self._wait_for_another(v.Timer.SIGN_IN, account.attempt, event.error)
                account.attempt += 1
                return
            self._account = None
            self._show(login=v.Login())
            self._do(v.Answer(account.request, event.error))
        elif isinstance(event.error, Denied):
            self._sign_out()
            reason = "Your session has ended: the server does not accept your password any more."
            self._tell(say(reason), bad=True)
        else:
            if not self.view.login.overdue and self.token(self._step.now) is None:
                self._show(login=v.Login(account.user, overdue=True))
                self._tell(
                    say("Your session could not be renewed; trying on. {reason}",
                        reason=event.error.sentence),
                    bad=True,
                )  # fmt: skip
            self._do(v.StartTimer(v.Timer.RENEW, self.policy.retry_seconds))

    def _doubt(self, token: str) -> None:
        """Our token is revoked or was refused: get another. Other people's do not concern us."""
        account = self._account
        if account is not None and account.token and account.token == token:
            account.token = ""
            if not account.asking:
                self._ask_token(account)

    def _sign_out(self) -> None:
        self._close_stream()
        if self._account is None:
            return
        if not self._account.signed_in:
            self._do(
                v.Answer(self._account.request, ClientError(say("The attempt was cancelled.")))
            )
        self._account = None
        self._show(login=v.Login())
        self._do(v.StopTimer(v.Timer.RENEW), v.StopTimer(v.Timer.SIGN_IN), v.Listen(on=False))

    # ------------------------------------------------------------ titles

    def _found(self, event: v.Found) -> None:
        if event.titles:  # V65: an empty result does not replace an earlier one
            self._show(results=event.titles)

    def _title_changed(self, event: v.TitleChanged) -> None:
        def renewed(title: v.Title | None) -> v.Title | None:
            return event.title if title is not None and title.id == event.title.id else title

        playing = self.view.playing
        self._show(
            results=tuple(renewed(title) or title for title in self.view.results),
            selection=renewed(self.view.selection),
            playing=playing and replace(playing, title=renewed(playing.title) or playing.title),
        )

    # ------------------------------------------------------------ stream

    def _play_asked(self, event: v.PlayAsked) -> None:
        refusal = self.missing(session=True, selection=True)
        if refusal is not None or self.view.selection is None:
            self._do(v.Answer(event.request, refusal))
            return
        self._close_stream()
        self._stream = Stream(self._next(), self.view.selection, event.request, event.wish)
        self._show(playing=v.Playing(self.view.selection, opening=True))
        self._hand_over()

    def _hand_over(self, *, fresh: bool = False) -> None:
        """Give the token to the stream that needs one; ask for one when there is none to give.

        ``fresh``: the token was issued just now, so it is the one to give whatever it says.
        """
        account, stream = self._account, self._stream
        if account is None or stream is None:
            return
        token = self.token(self._step.now)
        if token is None or (token == stream.given and not fresh):
            if not account.asking:
                self._ask_token(account)
        elif not stream.given:
            stream.given = token
            if stream.lost_at is None:
                self._do(v.OpenStream(stream.serial, stream.title, token, stream.wish))
            else:
                self._do(v.TakeOver(stream.serial, stream.title, token))
        elif stream.open:
            stream.given, stream.asked = token, False
            self._do(v.StopTimer(v.Timer.REFRESH), v.RefreshStream(stream.serial, token))

    def _of_stream(self, serial: int) -> Stream | None:
        stream = self._stream
        return stream if stream is not None and stream.serial == serial else None

    def _stream_opened(self, event: v.StreamOpened) -> None:
        stream = self._of_stream(event.serial)
        if stream is None:
            return
        stream.open, stream.lost_at = True, None
        if self.view.playing is not None:
            self._show(playing=v.Playing(self.view.playing.title, seekable=event.seekable))
        self._answer_stream(stream)
        if stream.asked or self.token(self._step.now) not in {None, stream.given}:
            self._hand_over()

    def _stream_failed(self, event: v.StreamFailed) -> None:
        stream = self._of_stream(event.serial)
        if stream is None:
            return
        if isinstance(event.error, Denied) and not stream.denied:
            # The token looked good to us only: once more with a fresh one.
            refused, stream.denied, stream.given = stream.given, True, ""
            self._doubt(refused)
            if self.token(self._step.now) is not None:
                self._hand_over()
        elif stream.lost_at is None:
            self._drop_stream(event.error)
        elif (
            isinstance(event.error, NotNow | Unreachable)
            and self._step.now - stream.lost_at < self.policy.takeover_seconds
        ):
            stream.given = ""
            self._do(v.StartTimer(v.Timer.TAKEOVER, self.policy.takeover_pause_seconds))
        else:
            self._drop_stream(event.error)
            self._tell(
                say("No other video server goes on with it. {reason}", reason=event.error.sentence),
                bad=True,
            )

    def _stream_lost(self, event: v.StreamLost) -> None:
        stream = self._of_stream(event.serial)
        if stream is None or not stream.open or self.view.playing is None:
            return
        stream.open = stream.asked = stream.denied = False
        stream.given, stream.lost_at = "", self._step.now
        self._show(playing=v.Playing(self.view.playing.title, moving=True))
        self._tell(say("The video server has died; going on from another one."))
        self._do(v.StopTimer(v.Timer.REFRESH))
        self._hand_over()

    def _answer_stream(self, stream: Stream, error: ClientError | None = None) -> None:
        """Answer whoever asked for it, once."""
        if stream.request is not None:
            self._do(v.Answer(stream.request, error))
            stream.request = None

    def _drop_stream(self, error: ClientError) -> None:
        """Give up a stream that is not open."""
        if self._stream is not None:
            self._do(v.StopTimer(v.Timer.TAKEOVER), v.CloseStream(self._stream.serial))
            self._answer_stream(self._stream, error)
            self._stream = None
            self._show(playing=None)

    def _stream_asked(self, event: v.StreamAsked) -> None:
        stream = self._of_stream(event.serial)
        if stream is not None:
            stream.asked = True
            if stream.open:
                self._hand_over()

    def _refresh_failed(self, event: v.RefreshFailed) -> None:
        stream = self._of_stream(event.serial)
        account = self._account
        if stream is None or account is None or not stream.open:
            return
        if isinstance(event.error, Gone):
            self._stream_ended(v.StreamEnded(event.serial, say("The server has ended the stream.")))
        elif not isinstance(event.error, Denied):
            self._do(v.StartTimer(v.Timer.REFRESH, self.policy.retry_seconds))
        elif account.token == stream.given and not account.asking:
            account.token = ""
            if self._step.now - account.granted_at >= self.policy.retry_seconds:
                self._ask_token(account)
            else:
                self._do(v.StartTimer(v.Timer.RENEW, self.policy.retry_seconds))

    def _stream_ended(self, event: v.StreamEnded) -> None:
        stream = self._of_stream(event.serial)
        if stream is None:
            return
        self._close_stream()
        over = say("The end of {title}.", title=stream.title.label)
        self._tell(event.reason or over, bad=event.reason is not None)

    def _close_stream(self) -> None:
        if self._stream is None:
            return
        if not self._stream.open:
            self._drop_stream(ClientError(say("The attempt was cancelled.")))
            return
        self._do(v.StopTimer(v.Timer.REFRESH), v.CloseStream(self._stream.serial))
        self._stream = None
        self._show(playing=None)

    # ------------------------------------------------------------ timers

    def _timer_fired(self, event: v.TimerFired) -> None:
        account, stream = self._account, self._stream
        if event.timer is v.Timer.RETRY and self.view.link is v.Link.CONNECTING:
            self._do(v.CheckMain(self._link.serial, self.view.main))
        elif event.timer is v.Timer.PROBE and self.view.link is not v.Link.OFFLINE:
            self._do(v.ProbeMain(self._link.serial))
        elif event.timer in {v.Timer.RENEW, v.Timer.SIGN_IN} and account and not account.asking:
            self._ask_token(account)
        elif event.timer is v.Timer.REFRESH and stream is not None and stream.open:
            token = self.token(self._step.now)
            if token is not None:
                stream.given = token
                self._do(v.RefreshStream(stream.serial, token))
        elif event.timer is v.Timer.TAKEOVER and stream is not None and not stream.given:
            self._hand_over()
