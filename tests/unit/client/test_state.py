"""Scenarios of the client's state machine, on a clock that the test turns."""

from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from iceflix.client import vocabulary as v
from iceflix.client.sentences import ClientError, Denied, Gone, NotNow, Refused, Unreachable, say
from iceflix.client.state import Machine

E = TypeVar("E")
MAIN = "IceFlix/Main:tcp -h 127.0.0.1 -p 10010"
TITLE = v.Title("ab12", "Metropolis", ("silent",))
BUSY = NotNow(say("nothing there"))


@dataclass
class World:
    """The machine, its timers, and everything that it wanted done and when."""

    machine: Machine = field(default_factory=lambda: Machine(v.Policy()))
    now: float = 0.0
    done: list[tuple[float, v.Effect]] = field(default_factory=list)
    timers: dict[v.Timer, float] = field(default_factory=dict)

    @property
    def view(self) -> v.View:
        """What a face would show."""
        return self.machine.view

    def link(self) -> v.Link:
        """The connection."""
        return self.machine.view.link

    def tell(self, event: v.Event) -> list[v.Effect]:
        """Feed an event and keep the timers."""
        effects = self.machine.handle(event, self.now)
        for effect in effects:
            self.done.append((self.now, effect))
            if isinstance(effect, v.StartTimer):
                self.timers[effect.timer] = self.now + effect.seconds
            elif isinstance(effect, v.StopTimer):
                self.timers.pop(effect.timer, None)
        return effects

    def wait(self, seconds: float) -> None:
        """Let time pass; checks of Main are answered."""
        until = self.now + seconds
        while due := [item for item in self.timers.items() if item[1] <= until]:
            timer, at = min(due, key=lambda item: item[1])
            del self.timers[timer]
            self.now = at
            self.tell(v.TimerFired(timer))
            if timer is v.Timer.PROBE:
                self.tell(v.MainHeard(self.last(v.ProbeMain).serial))
        self.now = until

    def all(self, kind: type[E]) -> list[E]:
        """Every effect of a kind so far."""
        return [effect for _, effect in self.done if isinstance(effect, kind)]

    def last(self, kind: type[E]) -> E:
        """The latest effect of a kind."""
        return self.all(kind)[-1]

    def times(self, kind: type[v.Effect]) -> list[float]:
        """When effects of a kind were wanted."""
        return [at for at, effect in self.done if isinstance(effect, kind)]

    def online(self) -> "World":
        """Connect."""
        self.tell(v.ConnectAsked(MAIN))
        self.tell(v.MainAnswered(self.last(v.CheckMain).serial))
        return self

    def signed_in(self, token: str = "t1") -> "World":
        """Connect and sign in."""
        self.online()
        self.tell(v.SignInAsked("ana", "00ff"))
        self.grant(token)
        return self

    def grant(self, token: str) -> list[v.Effect]:
        """Answer the latest question for a token."""
        return self.tell(v.TokenGranted(self.last(v.AskToken).serial, token))

    def playing(self, token: str = "t1") -> "World":
        """Connect, sign in, select and play."""
        self.signed_in(token)
        self.tell(v.Found((TITLE,)))
        self.tell(v.Chosen(TITLE))
        self.tell(v.PlayAsked())
        self.tell(v.StreamOpened(self.stream))
        return self

    @property
    def stream(self) -> int:
        """The number of the latest stream."""
        return self.last(v.OpenStream).serial

    def error(self) -> ClientError | None:
        """The outcome of the latest request."""
        return self.last(v.Answer).error


@pytest.fixture(name="world")
def make_world() -> World:
    """A client that has just been started."""
    return World()


# ---------------------------------------------------------------- connection


def test_connecting_retries_three_times_in_all_ten_seconds_apart(world: World) -> None:
    """Connecting retries three times in all ten seconds apart."""
    world.tell(v.ConnectAsked(MAIN))
    while world.link() is v.Link.CONNECTING:
        world.tell(v.MainFailed(world.last(v.CheckMain).serial, BUSY))
        world.wait(10)
    assert world.times(v.CheckMain) == [0, 10, 20]
    assert world.error() is BUSY
    assert world.link() is v.Link.OFFLINE
    assert len(world.all(v.Notice)) == 2


def test_one_attempt_means_one_call() -> None:
    """One attempt means one call."""
    world = World(Machine(v.Policy(attempts=1)))
    world.tell(v.ConnectAsked(MAIN))
    world.tell(v.MainFailed(world.last(v.CheckMain).serial, BUSY))
    world.wait(100)
    assert world.times(v.CheckMain) == [0]
    assert world.error() is BUSY


def test_a_wrong_proxy_is_not_tried_again(world: World) -> None:
    """A wrong proxy is not tried again."""
    world.tell(v.ConnectAsked("garbage"))
    wrong = ClientError(say("no proxy"))
    world.tell(v.MainFailed(world.last(v.CheckMain).serial, wrong))
    world.wait(100)
    assert world.times(v.CheckMain) == [0]
    assert world.error() is wrong


def test_late_answers_of_an_abandoned_attempt_change_nothing(world: World) -> None:
    """Late answers of an abandoned attempt change nothing."""
    world.tell(v.ConnectAsked("one"))
    first = world.last(v.CheckMain).serial
    world.tell(v.ConnectAsked("two"))
    world.tell(v.MainAnswered(first))
    world.tell(v.MainFailed(first, BUSY))
    assert world.link() is v.Link.CONNECTING
    world.tell(v.MainAnswered(world.last(v.CheckMain).serial))
    assert world.view.online
    assert world.view.main == "two"


def test_main_falls_silent_and_comes_back(world: World) -> None:
    """Main falls silent and comes back."""
    world.online()
    serial = world.last(v.CheckMain).serial
    world.tell(v.MainSilent(serial, refused=False))
    assert world.link() is v.Link.ONLINE, "one unanswered check is no proof"
    world.tell(v.MainSilent(serial, refused=False))
    assert world.link() is v.Link.LOST
    assert world.machine.missing() is None, "known services may still answer"
    world.tell(v.MainHeard(serial))
    assert world.view.online
    world.tell(v.MainSilent(serial, refused=True))
    assert world.link() is v.Link.LOST


def test_every_request_gets_its_own_answer(world: World) -> None:
    """Every request gets its own answer."""
    world.tell(v.ConnectAsked("one", request=1))
    world.tell(v.ConnectAsked("two", request=2))
    world.tell(v.MainAnswered(world.last(v.CheckMain).serial))
    world.tell(v.SignInAsked("ana", "00ff", request=3))
    world.tell(v.SignInAsked("eva", "11aa", request=4))
    world.grant("t1")
    world.tell(v.PlayAsked(request=5))
    failed = [(answer.request, answer.error is not None) for answer in world.all(v.Answer)]
    assert failed == [(1, True), (2, False), (3, True), (4, False), (5, True)]


def test_disconnecting_stops_everything(world: World) -> None:
    """Disconnecting stops everything."""
    world.playing()
    world.tell(v.DisconnectAsked())
    assert world.link() is v.Link.OFFLINE
    assert world.view.login.user is None
    assert world.view.playing is None
    assert world.all(v.CloseStream)
    assert not world.timers


def test_disconnecting_while_connecting_answers_the_request(world: World) -> None:
    """Disconnecting while connecting answers the request."""
    world.tell(v.ConnectAsked(MAIN))
    world.tell(v.DisconnectAsked())
    assert world.error() is not None


# ---------------------------------------------------------------- account


def test_signing_in_needs_a_connection(world: World) -> None:
    """Signing in needs a connection."""
    world.tell(v.SignInAsked("ana", "00ff"))
    assert not world.all(v.AskToken)
    assert "not connected" in str(world.error())


def test_wrong_password(world: World) -> None:
    """Wrong password."""
    world.online()
    world.tell(v.SignInAsked("ana", "00ff"))
    assert world.view.login.signing_in
    world.tell(v.TokenFailed(world.last(v.AskToken).serial, Denied(say("wrong"))))
    assert world.view.login == v.Login()
    assert isinstance(world.error(), Denied)


def test_signing_in_is_tried_three_times(world: World) -> None:
    """Signing in is tried three times."""
    world.online()
    world.tell(v.SignInAsked("ana", "00ff"))
    for _ in range(3):
        world.tell(v.TokenFailed(world.last(v.AskToken).serial, BUSY))
        world.wait(10)
    assert world.times(v.AskToken) == [0, 10, 20]
    assert world.error() is BUSY


def test_the_token_is_renewed_when_it_is_revoked(world: World) -> None:
    """The token is renewed when it is revoked."""
    world.signed_in("t1")
    world.wait(3)
    world.tell(v.Revoked("somebody else's"))
    assert world.times(v.AskToken) == [0]
    world.tell(v.Revoked("t1"))
    assert world.times(v.AskToken) == [0, 3]
    assert world.machine.token(world.now) is None
    world.tell(v.Revoked("t1"))
    assert world.times(v.AskToken) == [0, 3], "one question at a time"
    world.grant("t2")
    assert world.machine.token(world.now) == "t2"


def test_the_token_is_renewed_without_any_event(world: World) -> None:
    """The token is renewed without any event."""
    world.signed_in("t0")
    for count in range(1, 5):
        world.wait(25)
        assert world.machine.token(world.now) == f"t{count - 1}", "good until the new one is there"
        world.grant(f"t{count}")
    assert world.times(v.AskToken) == [0, 25, 50, 75, 100]


def test_a_late_revocation_of_the_previous_token_is_nothing(world: World) -> None:
    """A late revocation of the previous token is nothing."""
    world.signed_in("t1")
    world.wait(25)
    world.grant("t2")
    world.wait(5)
    world.tell(v.Revoked("t1"))
    assert world.times(v.AskToken) == [0, 25]


def test_renewal_goes_on_while_no_authenticator_answers(world: World) -> None:
    """Renewal goes on while no authenticator answers."""
    world.signed_in("t1")
    world.wait(25)
    gone = Unreachable(say("nobody"))
    world.tell(v.TokenFailed(world.last(v.AskToken).serial, gone))
    assert not world.view.login.overdue
    world.wait(2)
    world.tell(v.TokenFailed(world.last(v.AskToken).serial, gone))
    world.wait(4)
    world.tell(v.TokenFailed(world.last(v.AskToken).serial, gone))
    assert world.view.login == v.Login("ana", overdue=True)
    assert world.machine.token(world.now) is None
    world.wait(2)
    world.grant("t2")
    assert world.view.login == v.Login("ana")


def test_a_changed_password_ends_the_session(world: World) -> None:
    """A changed password ends the session."""
    world.playing()
    world.wait(25)
    world.tell(v.TokenFailed(world.last(v.AskToken).serial, Denied(say("no"))))
    assert world.view.login.user is None
    assert world.view.playing is None
    assert world.last(v.Notice).bad


def test_signing_out_stops_renewal_and_playback(world: World) -> None:
    """Signing out stops renewal and playback."""
    world.playing()
    world.tell(v.SignOutAsked())
    assert world.last(v.CloseStream).serial == world.stream
    assert world.last(v.Listen) == v.Listen(on=False)
    world.wait(60)
    world.tell(v.Revoked("t1"))
    assert world.times(v.AskToken) == [0]
    assert world.link() is v.Link.ONLINE


def test_a_token_that_arrives_after_signing_out_is_dropped(world: World) -> None:
    """A token that arrives after signing out is dropped."""
    world.signed_in("t1")
    world.tell(v.Revoked("t1"))
    world.tell(v.SignOutAsked())
    world.grant("t2")
    assert world.machine.token(world.now) is None
    assert world.view.login.user is None


def test_other_credentials_replace_the_session(world: World) -> None:
    """Other credentials replace the session."""
    world.signed_in("t1")
    world.tell(v.SignInAsked("eva", "11aa"))
    world.grant("t2")
    assert world.view.login.user == "eva"
    assert world.machine.token(world.now) == "t2"


def test_secrets_do_not_show(world: World) -> None:
    """Secrets do not show."""
    world.signed_in("secret-token")
    shown = repr(world.done) + repr(world.view) + repr(v.SignInAsked("ana", "00ff"))
    assert "secret-token" not in shown
    assert "00ff" not in shown


# ---------------------------------------------------------------- titles


def test_an_empty_result_keeps_the_last_one(world: World) -> None:
    """An empty result keeps the last one."""
    world.online()
    world.tell(v.Found((TITLE,)))
    world.tell(v.Found(()))
    assert world.view.results == (TITLE,)


def test_a_new_name_shows_everywhere(world: World) -> None:
    """A new name shows everywhere."""
    world.playing()
    renamed = v.Title("ab12", "Metrópolis", ("silent",))
    world.tell(v.TitleChanged(renamed))
    assert world.view.results == (renamed,)
    assert world.view.selection == renamed
    assert world.view.playing == v.Playing(renamed)


def test_refusals_name_what_is_missing_in_order(world: World) -> None:
    """Refusals name what is missing in order."""

    def missing() -> str:
        return str(world.machine.missing(session=True, selection=True))

    assert "not connected" in missing()
    world.online()
    assert "not signed in" in missing()
    world.signed_in()
    assert "No title is selected" in missing()
    world.tell(v.PlayAsked())
    assert "No title is selected" in str(world.error())
    world.tell(v.Found((TITLE,)))
    world.tell(v.Chosen(TITLE))
    assert world.machine.missing(session=True, selection=True) is None


def test_another_server_has_other_titles(world: World) -> None:
    """Another server has other titles."""
    world.online()
    world.tell(v.Found((TITLE,)))
    world.tell(v.Chosen(TITLE))
    world.tell(v.ConnectAsked("other"))
    assert world.view.results == ()
    assert world.view.selection is None


# ---------------------------------------------------------------- playback


def test_the_controller_gets_the_new_token_never_the_old(world: World) -> None:
    """The controller gets the new token never the old."""
    world.playing("t1")
    world.wait(20)
    # Controller and client hear of the revocation at the same instant (V70).
    world.tell(v.StreamAsked(world.stream))
    world.tell(v.Revoked("t1"))
    assert not world.all(v.RefreshStream)
    world.grant("t2")
    assert world.all(v.RefreshStream) == [v.RefreshStream(world.stream, "t2")]
    assert world.times(v.AskToken) == [0, 20]


def test_the_race_the_other_way_round(world: World) -> None:
    """The race the other way round."""
    world.playing("t1")
    world.tell(v.Revoked("t1"))
    world.tell(v.StreamAsked(world.stream))
    assert not world.all(v.RefreshStream)
    world.grant("t2")
    assert [effect.token for effect in world.all(v.RefreshStream)] == ["t2"]


def test_a_controller_that_asks_again_gets_another_token(world: World) -> None:
    """A controller that asks again gets another token."""
    world.playing("t1")
    world.wait(25)
    world.grant("t2")
    assert world.last(v.RefreshStream).token == "t2"
    world.wait(5)
    world.tell(v.StreamAsked(world.stream))
    assert world.last(v.RefreshStream).token == "t2", "it has that one already"
    world.grant("t3")
    assert world.last(v.RefreshStream).token == "t3"


def test_playback_survives_four_lifetimes_without_any_event(world: World) -> None:
    """Playback survives four lifetimes without any event."""
    world.playing("t0")
    for count in range(1, 6):
        world.wait(25)
        world.grant(f"t{count}")
    assert [effect.token for effect in world.all(v.RefreshStream)] == ["t1", "t2", "t3", "t4", "t5"]


def test_a_token_that_came_while_opening_is_handed_over(world: World) -> None:
    """A token that came while opening is handed over."""
    world.signed_in("t1")
    world.tell(v.Chosen(TITLE))
    world.tell(v.PlayAsked())
    world.tell(v.Revoked("t1"))
    world.grant("t2")
    assert not world.all(v.RefreshStream)
    world.tell(v.StreamOpened(world.stream))
    assert world.last(v.RefreshStream).token == "t2"


def test_playing_waits_for_a_token(world: World) -> None:
    """Playing waits for a token."""
    world.signed_in("t1")
    world.tell(v.Revoked("t1"))
    world.tell(v.Chosen(TITLE))
    world.tell(v.PlayAsked())
    assert not world.all(v.OpenStream)
    world.grant("t2")
    assert world.last(v.OpenStream).token == "t2"


def test_a_refused_token_is_replaced_once(world: World) -> None:
    """A refused token is replaced once."""
    world.signed_in("t1")
    world.tell(v.Chosen(TITLE))
    world.tell(v.PlayAsked())
    world.tell(v.StreamFailed(world.stream, Denied(say("no"))))
    world.grant("t2")
    assert world.last(v.OpenStream).token == "t2"
    world.tell(v.StreamFailed(world.stream, Denied(say("no"))))
    assert isinstance(world.error(), Denied)
    assert world.view.playing is None


def test_a_refresh_that_is_not_answered_is_repeated(world: World) -> None:
    """A refresh that is not answered is repeated."""
    world.playing("t1")
    world.wait(25)
    world.grant("t2")
    world.tell(v.RefreshFailed(world.stream, Unreachable(say("silence"))))
    world.wait(2)
    assert world.times(v.RefreshStream) == [25, 27]


def test_a_refresh_that_is_denied_brings_a_new_token(world: World) -> None:
    """A refresh that is denied brings a new token."""
    world.playing("t1")
    world.wait(25)
    world.grant("t2")
    world.tell(v.RefreshFailed(world.stream, Denied(say("no"))))
    world.wait(2)
    assert world.times(v.AskToken) == [0, 25, 27], "not in a tight loop"
    world.grant("t3")
    assert world.last(v.RefreshStream).token == "t3"


def test_a_stream_that_is_gone_ends(world: World) -> None:
    """A stream that is gone ends."""
    world.playing("t1")
    world.tell(v.RefreshFailed(world.stream, Gone(say("gone"))))
    assert world.view.playing is None
    assert world.last(v.Notice).bad


def test_the_end_of_a_title(world: World) -> None:
    """The end of a title."""
    world.playing()
    world.tell(v.StreamEnded(world.stream))
    assert world.view.playing is None
    assert str(world.last(v.Notice).sentence) == "The end of Metropolis."
    assert world.last(v.CloseStream).serial == world.stream


def test_another_title_replaces_the_one_that_plays(world: World) -> None:
    """Another title replaces the one that plays."""
    world.playing()
    first = world.stream
    world.tell(v.Chosen(v.Title("cd34", "Nosferatu")))
    world.tell(v.PlayAsked())
    assert world.last(v.CloseStream).serial == first
    assert world.stream != first
    world.tell(v.StreamEnded(first))
    assert world.view.playing == v.Playing(v.Title("cd34", "Nosferatu"), opening=True)


def test_stopping_while_opening_answers_the_request(world: World) -> None:
    """Stopping while opening answers the request."""
    world.signed_in()
    world.tell(v.Chosen(TITLE))
    world.tell(v.PlayAsked())
    serial = world.stream
    world.tell(v.StopAsked())
    assert world.error() is not None
    world.tell(v.StreamOpened(serial))
    assert world.view.playing is None


def test_a_wish_reaches_the_stream(world: World) -> None:
    """A wish reaches the stream."""
    world.signed_in()
    world.tell(v.Chosen(TITLE))
    world.tell(v.PlayAsked(wish=v.Wish(start=90.0)))
    assert world.last(v.OpenStream).wish.start == 90.0


def test_a_stream_whose_server_dies_goes_on_elsewhere(world: World) -> None:
    """The token that is good goes to the next server; the player is never told to stop."""
    world.playing("t1")
    world.tell(v.StreamLost(world.stream))
    assert world.view.playing == v.Playing(TITLE, moving=True)
    assert "going on from another one" in str(world.last(v.Notice).sentence)
    assert world.last(v.TakeOver) == v.TakeOver(world.stream, TITLE, "t1")
    world.tell(v.StreamLost(world.stream))
    assert len(world.all(v.TakeOver)) == 1
    world.tell(v.StreamOpened(world.stream, seekable=True))
    assert world.view.playing == v.Playing(TITLE, seekable=True)
    assert not world.all(v.CloseStream)
    assert len(world.all(v.Answer)) == 3, "connect, sign in, play: nobody is answered twice"
    world.wait(25)
    world.grant("t2")
    assert world.last(v.RefreshStream).token == "t2"


def test_another_server_is_looked_for_until_there_is_one(world: World) -> None:
    """Another server is looked for until there is one."""
    world.playing("t1")
    world.tell(v.StreamLost(world.stream))
    for _ in range(4):
        world.tell(v.StreamFailed(world.stream, BUSY))
        world.wait(0.25)
    assert world.times(v.TakeOver) == [0, 0.25, 0.5, 0.75, 1.0]
    world.tell(v.StreamOpened(world.stream))
    world.wait(20)
    assert len(world.all(v.TakeOver)) == 5


def test_without_another_server_the_stream_ends(world: World) -> None:
    """Without another server the stream ends, and there is a reason."""
    world.playing("t1")
    world.tell(v.StreamLost(world.stream))
    while world.view.playing is not None:
        world.tell(v.StreamFailed(world.stream, BUSY))
        world.wait(0.25)
    assert 14 < world.now < 16
    assert world.last(v.Notice).bad
    assert world.last(v.CloseStream).serial == world.stream
    assert v.Timer.TAKEOVER not in world.timers


def test_a_server_that_refuses_is_not_asked_again(world: World) -> None:
    """A server that refuses is not asked again."""
    world.playing("t1")
    world.tell(v.StreamLost(world.stream))
    world.tell(v.StreamFailed(world.stream, Refused(say("not from the middle"))))
    assert world.view.playing is None
    assert "not from the middle" in str(world.last(v.Notice).sentence)


def test_taking_over_waits_for_a_token(world: World) -> None:
    """Taking over waits for a token, and gets another one when that is refused."""
    world.playing("t1")
    world.tell(v.Revoked("t1"))
    world.tell(v.StreamLost(world.stream))
    assert not world.all(v.TakeOver)
    world.grant("t2")
    assert world.last(v.TakeOver).token == "t2"
    world.tell(v.StreamFailed(world.stream, Denied(say("no"))))
    world.grant("t3")
    assert world.last(v.TakeOver).token == "t3"


def test_stopping_while_another_server_is_looked_for(world: World) -> None:
    """Stopping while another server is looked for."""
    world.playing("t1")
    serial = world.stream
    world.tell(v.StreamLost(serial))
    world.tell(v.StopAsked())
    assert world.view.playing is None
    assert world.last(v.CloseStream).serial == serial
    world.tell(v.StreamOpened(serial))
    world.tell(v.StreamFailed(serial, BUSY))
    assert world.view.playing is None
    assert v.Timer.TAKEOVER not in world.timers


def test_an_authenticator_that_repeats_itself_causes_no_storm(world: World) -> None:
    """An authenticator that repeats itself causes no storm."""
    world.playing("t1")
    world.wait(25)
    world.grant("t1")
    assert len(world.all(v.AskToken)) == 2
    assert world.last(v.RefreshStream).token == "t1"
