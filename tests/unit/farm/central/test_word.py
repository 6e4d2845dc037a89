"""Whom central believes when it is told what runs."""

import queue
from collections.abc import Sequence

import pytest

from iceflix.contract.reasons import NO_SERVERS
from iceflix.farm.central.word import SIGNATURE, Word, sign
from iceflix.farm.filters.signing import Signer
from iceflix.runtime.errors import Denial


class Heard:  # pylint: disable=too-few-public-methods  # it is looked at
    """What was accepted, and a key that may not be known yet."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.known = True
        self.asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.accepted: queue.SimpleQueue[Sequence[str]] = queue.SimpleQueue()
        self.word = Word(self._key, self.accepted.put)

    def _key(self) -> bytes:
        self.asked.put(self.known)
        if not self.known:
            raise Denial(NO_SERVERS, "not met yet")
        return self.signer.public


@pytest.fixture(name="heard")
def _heard() -> Heard:
    return Heard(Signer.make())


def test_the_one_who_signs_filters_is_believed(heard: Heard) -> None:
    """An empty list is a list, too."""
    for names in (["blur", "gray"], []):
        heard.word.said(names, sign(heard.signer, names)[SIGNATURE])
        assert heard.accepted.get(timeout=10) == tuple(names)


def test_nobody_else_is(heard: Heard) -> None:
    """No signature, nonsense, another's, another list's, a filter's."""
    other = sign(Signer.make(), ["gray"])[SIGNATURE]
    wrong = sign(heard.signer, ["blur"])[SIGNATURE]
    code = heard.signer.sign("gray", b"gray").hex()
    for signature in ("", "nonsense", other, wrong, code):
        heard.word.said(["gray"], signature)
        assert heard.asked.get(timeout=10)
    heard.word.said(["last"], sign(heard.signer, ["last"])[SIGNATURE])
    assert heard.accepted.get(timeout=10) == ("last",)


def test_what_was_said_too_early_is_checked_later(heard: Heard) -> None:
    """The newest, as soon as the key is known."""
    heard.known = False
    for names in (["old"], ["new"]):
        heard.word.said(names, sign(heard.signer, names)[SIGNATURE])
        assert not heard.asked.get(timeout=10)
    heard.known = True
    heard.word.check()
    assert heard.accepted.get(timeout=10) == ("new",)
    heard.word.stop()
