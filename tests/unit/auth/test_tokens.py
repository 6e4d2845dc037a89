"""The token state machine, with its clocks in the test's hands (V14-V20)."""

import secrets
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iceflix.auth import tokens as tokens_module
from iceflix.auth.signing import TokenSeal
from iceflix.auth.tokens import (
    REVOKE_DELAY_SECONDS,
    SKEW_SECONDS,
    Claims,
    Instant,
    Tokens,
)

KEY = b"k" * 32
LIFETIME = 30.0
START = Instant(wall=1_700_000_000.123456, monotonic=5000.5)
USERS = {"ana": "v1", "eva": "v1"}


def later(seconds: float, wall_step: float = 0.0) -> Instant:
    """So long after the start; the wall clock may have been stepped besides."""
    return Instant(START.wall + seconds + wall_step, START.monotonic + seconds)


def authenticator(name: str = "A1", users: dict[str, str] | None = None) -> Tokens:
    """The tokens of an Authenticator that knows these users; all share the key."""
    made = Tokens(TokenSeal(KEY), name, LIFETIME)
    made.adopt(USERS if users is None else users, START)
    return made


def issue(tokens: Tokens, now: Instant = START, user: str = "ana", version: str = "v1") -> str:
    """A token; fails if there is none."""
    token = tokens.issue(user, version, now, secrets.token_bytes(16))
    assert token is not None
    return token


def test_a_token_lives_for_its_lifetime_at_its_issuer_and_elsewhere() -> None:
    """V17, V20: to the moment, wherever it is asked."""
    issuer, other = authenticator(), authenticator("A2")
    token = issue(issuer)
    for tokens in (issuer, other):
        assert tokens.check(token, START)
        assert tokens.check(token, later(29.0))
        assert tokens.check(token, later(29.999))
        assert not tokens.check(token, later(30.0))
        assert not tokens.check(token, later(31.0))


def test_using_a_token_does_not_extend_it() -> None:
    """V17: not at its issuer and not at another."""
    issuer, other = authenticator(), authenticator("A2")
    token = issue(issuer)
    for tenth in range(300):
        assert issuer.check(token, later(tenth / 10))
        assert other.check(token, later(tenth / 10))
    assert not issuer.check(token, later(30.0))
    assert not other.check(token, later(30.0))


def test_two_hundred_staggered_tokens_each_on_its_own_clock() -> None:
    """V17, V18: 50 ms apart; each ends 30 s after its own issue and is revoked once."""
    issuer, other = authenticator(), authenticator("A2")
    issued = [(issue(issuer, later(n * 0.05)), n * 0.05) for n in range(200)]
    revoked: dict[str, float] = {}
    for tick in range(0, 4200):
        at = tick / 100
        for token in issuer.due(later(at)):
            assert token not in revoked
            revoked[token] = at
        if tick % 25 == 0:
            for token, since in issued:
                alive = since <= at < since + LIFETIME - 1e-6
                if at >= since and abs(at - since - LIFETIME) > 1e-6:
                    assert issuer.check(token, later(at)) is alive
                    assert other.check(token, later(at)) is alive
    assert len(revoked) == 200
    for token, since in issued:
        assert since + LIFETIME <= revoked[token] <= since + LIFETIME + 0.2
    assert issuer.next_due() is None


def test_a_second_login_leaves_the_first_token_alive() -> None:
    """V19."""
    issuer = authenticator()
    first = issue(issuer)
    second = issue(issuer, later(10.0))
    assert first != second
    assert issuer.check(first, later(20.0))
    assert not issuer.check(first, later(30.0))
    assert issuer.check(second, later(39.0))


def test_ten_thousand_tokens_differ() -> None:
    """V14."""
    issuer = authenticator()
    assert len({issue(issuer) for _ in range(10_000)}) == 10_000
    assert issuer.alive(START) == 10_000


def test_a_nonce_of_less_than_128_bits_is_refused() -> None:
    """V14."""
    with pytest.raises(ValueError, match="16 bytes"):
        authenticator().issue("ana", "v1", START, b"x" * 15)


def test_nobody_gets_a_token_for_an_outdated_credential() -> None:
    """A password that has changed meanwhile gives nothing."""
    issuer = authenticator()
    assert issuer.issue("ana", "v0", START, b"n" * 16) is None
    assert issuer.issue("nobody", "v1", START, b"n" * 16) is None
    assert issuer.next_due() is None


@pytest.mark.parametrize("step", [-86_400.0, -10.0, -1.0, 1.0, 10.0, 86_400.0])
def test_a_step_of_the_wall_clock_changes_nothing_for_own_tokens(step: float) -> None:
    """V17: the issuer goes by the monotonic clock."""
    issuer = authenticator()
    token = issue(issuer)
    assert issuer.check(token, later(29.0, step))
    assert not issuer.due(later(29.0, step))
    assert not issuer.check(token, later(30.0, step))
    assert issuer.due(later(30.2, step)) == [token]
    assert not issuer.check(token, later(30.2, step)), "forgotten, and over all the same"


def test_a_wall_clock_put_back_does_not_lengthen_a_foreign_token() -> None:
    """One lifetime after it was first seen it is over."""
    issuer, other = authenticator(), authenticator("A2")
    token = issue(issuer)
    assert other.check(token, later(1.0))
    assert other.check(token, later(20.0, -4.0))
    assert not other.check(token, later(31.0, -4.0))
    for second in range(31, 100):
        assert not other.check(token, later(second, -4.0))


def test_a_token_from_far_in_the_future_is_refused() -> None:
    """A clock that is a little ahead is tolerated."""
    issuer, other = authenticator(), authenticator("A2")
    ahead = Instant(START.wall + SKEW_SECONDS - 0.1, START.monotonic)
    assert other.check(issue(issuer, ahead), START)
    far_ahead = Instant(START.wall + SKEW_SECONDS + 0.1, START.monotonic)
    assert not other.check(issue(issuer, far_ahead), START)


def test_a_changed_password_ends_tokens_at_once_and_revokes_them_once() -> None:
    """At all; the other users keep theirs."""
    issuer, other = authenticator(), authenticator("A2")
    old, kept = issue(issuer), issue(issuer, user="eva")
    changed = {"ana": "v2", "eva": "v1"}
    assert issuer.adopt(changed, later(5.0)) == [old]
    assert other.adopt(changed, later(5.0)) == [], "only the issuer revokes"
    for tokens in (issuer, other):
        assert not tokens.check(old, later(5.0))
        assert tokens.check(kept, later(5.0))
    assert issuer.due(later(31.0)) == [kept]
    assert issuer.issue("ana", "v1", later(6.0), b"n" * 16) is None
    assert other.check(issue(issuer, later(6.0), version="v2"), later(6.0))


def test_a_removed_user_who_comes_back_does_not_revive_old_tokens() -> None:
    """The same password makes the same version."""
    issuer, other = authenticator(), authenticator("A2")
    old = issue(issuer)
    for tokens in (issuer, other):
        tokens.adopt({"eva": "v1"}, later(5.0))
        tokens.adopt(USERS, later(6.0))
        assert not tokens.check(old, later(7.0))
    new = issue(issuer, later(7.0))
    assert other.check(new, later(8.0))
    assert not other.check(old, later(8.0))


def test_an_issuer_that_restarts_accepts_what_it_issued_before() -> None:
    """It is another issuer then, and revokes nothing."""
    token = issue(authenticator("before"))
    again = authenticator("after")
    assert again.check(token, later(10.0))
    assert not again.check(token, later(30.0))
    assert not again.due(later(40.0))


def test_revocation_waits_a_moment_for_slower_clocks() -> None:
    """The token is over at once, the event follows."""
    issuer = authenticator()
    token = issue(issuer)
    due = issuer.next_due()
    assert due == pytest.approx(START.monotonic + LIFETIME + REVOKE_DELAY_SECONDS)
    assert not issuer.due(later(30.05))
    assert not issuer.check(token, later(30.05))
    assert issuer.due(later(30.11)) == [token]
    assert not issuer.due(later(99.0))


def test_the_memory_of_foreign_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest makes room; what is over goes."""
    monkeypatch.setattr(tokens_module, "FOREIGN_LIMIT", 10)
    issuer, other = authenticator(), authenticator("A2")
    issued = [issue(issuer, later(n / 10)) for n in range(50)]
    for n, token in enumerate(issued):
        assert other.check(token, later(n / 10))
    assert len(other) == 10
    assert other.check(issue(issuer, later(100.0)), later(100.0))
    assert len(other) == 1, "the old ones are forgotten"


def test_withdrawals_are_forgotten() -> None:
    """After the lifetime of the tokens that they concern."""
    tokens = authenticator()
    for n in range(100):
        tokens.adopt({"ana": f"w{n}"}, later(n))
    assert len(tokens) < 50


@given(
    user=st.text(max_size=255),
    expires=st.floats(allow_nan=False, allow_infinity=False),
    nonce=st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", max_size=30),
)
def test_claims_survive_encoding_to_the_last_bit(user: str, expires: float, nonce: str) -> None:
    """Any user, any expiry."""
    claims = Claims(user, expires, "v1", "issuer", nonce)
    assert Claims.decode(claims.encode()) == claims


@dataclass
class History:
    """Two Authenticators that live through the same events, and what must be true of them."""

    issuer: Tokens = field(default_factory=authenticator)
    other: Tokens = field(default_factory=lambda: authenticator("A2"))
    versions: dict[str, str] = field(default_factory=lambda: dict(USERS))
    issued: dict[str, tuple[str, str, float]] = field(default_factory=dict)
    revoked: list[str] = field(default_factory=list)

    def step(self, what: str, user: str, at: float, fresh: str) -> None:
        """Let one thing happen; ``fresh`` is a version that nobody has had."""
        now = later(at)
        if what == "issue" and user in self.versions:
            version = self.versions[user]
            self.issued[issue(self.issuer, now, user, version)] = (user, version, at)
        elif what != "wait":
            self.versions.pop(user, None)
            if what != "remove":
                self.versions[user] = fresh if what == "change" else "v1"
            self.revoked += self.issuer.adopt(self.versions, now)
            assert not self.other.adopt(self.versions, now)
        self.revoked += self.issuer.due(now)

    def check(self, at: float) -> None:
        """Valid iff young, current and never withdrawn; both replicas agree."""
        for token, (user, version, since) in self.issued.items():
            current = self.versions.get(user) == version and token not in self.revoked
            if abs(at - since - LIFETIME) > 0.0005:
                expected = current and at < since + LIFETIME
                assert self.issuer.check(token, later(at)) is expected
                assert self.other.check(token, later(at)) is expected


_STEPS = st.tuples(
    st.sampled_from(["issue", "wait", "change", "remove", "restore"]),
    st.sampled_from(sorted(USERS)),
    st.integers(1, 12_000).map(lambda milliseconds: milliseconds / 1000),
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(_STEPS, max_size=30))
def test_any_history_keeps_the_promises(steps: list[tuple[str, str, float]]) -> None:
    """Whatever happens: validity is right at both replicas, each token is revoked exactly once."""
    history, at = History(), 0.0
    for number, (what, user, seconds) in enumerate(steps):
        at += seconds
        history.step(what, user, at, f"v{number + 2}")
        history.check(at)
    history.revoked += history.issuer.due(later(at + LIFETIME + 1))
    assert sorted(history.revoked) == sorted(history.issued)
