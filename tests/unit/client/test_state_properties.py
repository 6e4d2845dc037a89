"""What holds for the client's state machine whatever happens, in whatever order."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from iceflix.client import vocabulary as v
from iceflix.client.sentences import ClientError, Denied, Gone, NotNow, Unreachable, say
from iceflix.client.state import Machine

TITLE = v.Title("ab12", "Metropolis")
ERRORS = st.sampled_from([kind(say("no")) for kind in (NotNow, Denied, Gone, Unreachable)])


class Life(RuleBasedStateMachine):
    """A client to which anything may happen; remembers what it asked for and gave away."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine(v.Policy())
        self.now = 0.0
        self.numbers: Counter[str] = Counter()
        self.questions: list[int] = []
        self.given: dict[int, list[str]] = {}
        self.answered: set[int] = set()

    def tell(self, event: v.Event) -> None:
        """Feed an event and look at what comes of it."""
        for effect in self.machine.handle(event, self.now):
            if isinstance(effect, v.CheckMain):
                self.numbers["check"] = effect.serial
            elif isinstance(effect, v.AskToken):
                self.questions.append(effect.serial)
            elif isinstance(effect, v.OpenStream | v.TakeOver | v.RefreshStream):
                self.numbers["stream"] = effect.serial
                self.given.setdefault(effect.serial, []).append(effect.token)
            elif isinstance(effect, v.Answer):
                assert effect.request not in self.answered, "a request is answered once"
                self.answered.add(effect.request)

    def request(self) -> int:
        """A number for a request."""
        self.numbers["requests"] += 1
        return self.numbers["requests"]

    @initialize()
    def begin(self) -> None:
        """Most lives begin with a connection."""
        self.connect()
        self.tell(v.MainAnswered(self.numbers["check"]))

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule()
    def connect(self) -> None:
        """The user connects."""
        self.tell(v.ConnectAsked("main", self.request()))

    @rule(error=ERRORS, good=st.booleans())
    def main_says(self, error: ClientError, good: bool) -> None:
        """Main answers, or does not."""
        answer = (
            v.MainAnswered(self.numbers["check"])
            if good
            else v.MainFailed(self.numbers["check"], error)
        )
        self.tell(answer)

    @rule(refused=st.booleans(), heard=st.booleans())
    def probe(self, refused: bool, heard: bool) -> None:
        """Main is heard, or not."""
        self.tell(
            v.MainHeard(self.numbers["check"])
            if heard
            else v.MainSilent(self.numbers["check"], refused)
        )

    @rule()
    def sign_in(self) -> None:
        """The user signs in."""
        self.tell(v.SignInAsked("ana", "00ff", self.request()))

    @rule()
    def sign_out(self) -> None:
        """The user signs out."""
        self.tell(v.SignOutAsked())
        assert self.machine.view.login == v.Login()
        assert self.machine.view.playing is None
        before = len(self.questions)
        for timer in v.Timer:
            self.tell(v.TimerFired(timer))
        assert len(self.questions) == before, "nothing is renewed after signing out (V61)"

    @precondition(lambda self: self.questions)
    @rule(error=ERRORS, good=st.booleans(), late=st.booleans())
    def authenticator_says(self, error: ClientError, good: bool, late: bool) -> None:
        """The present question, or an old one, is answered."""
        serial = self.questions[0 if late else -1]
        self.numbers["tokens"] += 1
        token = f"t{self.numbers['tokens']}"
        self.tell(v.TokenGranted(serial, token) if good else v.TokenFailed(serial, error))

    @precondition(lambda self: self.numbers["tokens"])
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        """Some token is revoked."""
        number = data.draw(st.integers(1, self.numbers["tokens"]))
        self.tell(v.Revoked(f"t{number}"))
        assert self.machine.token(self.now) != f"t{number}"

    @rule()
    def play(self) -> None:
        """The user plays."""
        self.tell(v.Chosen(TITLE))
        self.tell(v.PlayAsked(self.request()))

    @rule(error=ERRORS, good=st.booleans())
    def stream_says(self, error: ClientError, good: bool) -> None:
        """The stream opens, or does not."""
        self.tell(
            v.StreamOpened(self.numbers["stream"])
            if good
            else v.StreamFailed(self.numbers["stream"], error)
        )

    @rule()
    def server_dies(self) -> None:
        """Nobody sends the stream any more."""
        self.tell(v.StreamLost(self.numbers["stream"]))

    @rule()
    def controller_asks(self) -> None:
        """The controller wants a token that it does not hold (V70)."""
        before = list(self.given.get(self.numbers["stream"], []))
        self.tell(v.StreamAsked(self.numbers["stream"]))
        fresh = self.given.get(self.numbers["stream"], [])[len(before) :]
        assert not before or before[-1] not in fresh, "the old token is never sent"

    @rule(error=ERRORS)
    def refresh_fails(self, error: ClientError) -> None:
        """The controller does not take a token."""
        self.tell(v.RefreshFailed(self.numbers["stream"], error))

    @rule(ended=st.booleans())
    def stop(self, ended: bool) -> None:
        """The stream ends, by itself or by the user."""
        self.tell(v.StreamEnded(self.numbers["stream"]) if ended else v.StopAsked())

    @rule(timer=st.sampled_from(list(v.Timer)))
    def timer(self, timer: v.Timer) -> None:
        """A timer fires, even one that should not be running."""
        self.tell(v.TimerFired(timer))

    @invariant()
    def playing_needs_a_session(self) -> None:
        """Nothing plays without a session, and no session is without a connection."""
        view = self.machine.view
        assert view.playing is None or view.login.user is not None
        if view.link in {v.Link.OFFLINE, v.Link.CONNECTING}:
            assert view.login == v.Login()

    @invariant()
    def old_tokens_are_no_tokens(self) -> None:
        """A token that has expired is never offered."""
        assert self.machine.token(self.now + 31.0) is None


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase
