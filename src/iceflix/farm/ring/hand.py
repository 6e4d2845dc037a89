"""The token as one member handles it: held or on its way, made anew, a member less."""

from dataclasses import dataclass, replace

from iceflix.farm.model import Token


@dataclass
class Hand:
    """The token in our hand (``token``) or on its way to the next (``sent``, ``to``)."""

    # pylint: disable=too-many-instance-attributes  # all that is about the one token

    token: Token | None = None
    parked_at: float = 0.0
    until: float = 0.0
    turn: bool = False  # somebody wants the token to go round
    to: str = ""
    sent: Token | None = None
    passed_at: float = float("-inf")
    kicked_at: float = float("-inf")
    leaving: bool = False
    left: bool = False


def without(token: Token, member: str) -> Token:
    """The token without a member, who is reported as dead."""
    return replace(
        token,
        members=tuple(each for each in token.members if each != member),
        dead=(*(dead for dead in token.dead if dead != member), member),
    )


def made_anew(base: Token, epoch: int, maker: str) -> Token:
    """A token in the place of a lost one, whose newest sight was ``base``; it outranks that one."""
    return replace(
        base,
        epoch=epoch,
        maker=maker,
        master=maker,
        passes=0,
        dead=(),
        running=(),
        completions=(),
        idle_turns=0,
    )
