"""Search keys: what equals what, what contains what, what is refused (V29-V31)."""

import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iceflix.catalog import text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
TRICKY = st.text(
    "aAäÄe\u0301\u0308ñÑßſSİiı\u0345ΐςσΣ\u1fafﬁ%_*'\"😀\ufe0f\u1100\u1161\u11a8각", max_size=12
)


def _letters() -> list[str]:
    """All characters that any folding touches."""
    every = map(chr, range(0x80, sys.maxunicode + 1))
    return [
        letter
        for letter in every
        if not 0xD800 <= ord(letter) <= 0xDFFF
        and (letter.casefold() != letter or unicodedata.normalize("NFD", letter) != letter)
    ]


def test_every_letter_folds_like_its_case_folding_and_its_decomposition() -> None:
    """Every letter folds like its case folding and its decomposition."""
    for letter in _letters():
        for same in (letter.casefold(), unicodedata.normalize("NFD", letter)):
            assert text.exact_key(same) == text.exact_key(letter), hex(ord(letter))
            assert text.folded(same) == text.folded(letter), hex(ord(letter))


@given(TEXTS | TRICKY)
def test_keys_are_stable(name: str) -> None:
    """Keys are stable."""
    assert text.exact_key(text.exact_key(name)) == text.exact_key(name)
    assert text.folded(text.folded(name)) == text.folded(name)
    assert text.folded(text.exact_key(name)) == text.folded(name)


@given(TEXTS | TRICKY)
def test_keys_do_not_depend_on_the_normal_form(name: str) -> None:
    """Keys do not depend on the normal form."""
    for form in ("NFC", "NFD"):
        same = unicodedata.normalize(form, name)
        assert text.exact_key(same) == text.exact_key(name)
        assert text.folded(same) == text.folded(name)


@given(TEXTS | TRICKY, TEXTS | TRICKY)
def test_folding_goes_letter_by_letter(left: str, right: str) -> None:
    """Folding goes letter by letter."""
    assert text.folded(left + right) == text.folded(left) + text.folded(right)


@given(TRICKY, TRICKY, TRICKY)
@example("Espa", "Ña", "")
@example("", "e", "\u0301")
def test_whatever_contains_the_query_by_case_folding_contains_it_folded(
    before: str, query: str, after: str
) -> None:
    """Whatever contains the query by case folding contains it folded."""
    for name in (before + query + after, (before + query + after).casefold()):
        assert text.folded(query) in text.folded(name)
        assert text.folded(query.casefold()) in text.folded(name)


@pytest.mark.parametrize(
    ("left", "right"),
    [("ESPAÑA", "españa"), ("Straße", "STRASSE"), ("ΟΔΟΣ", "οδος"), ("e\u0301", "É"), ("%_", "%_")],
)
def test_equal_whatever_the_case(left: str, right: str) -> None:
    """Equal whatever the case."""
    assert text.exact_key(left) == text.exact_key(right)


@pytest.mark.parametrize(
    ("left", "right"), [("España", "Espana"), ("a%", "ab"), ("a_", "ab"), ("a", "a ")]
)
def test_not_equal(left: str, right: str) -> None:
    """Not equal."""
    assert text.exact_key(left) != text.exact_key(right)


def test_accents_fold_away() -> None:
    """Accents fold away."""
    assert text.folded("Éowyn Ñandú") == "eowyn nandu"
    assert text.folded("ÅNGSTRÖM") == "angstrom"


@given(TEXTS | TRICKY)
def test_grams_are_words_for_each_letter_and_pair(name: str) -> None:
    """Grams are words for each letter and pair."""
    words = text.grams(name).split()
    assert len(words) == len(set(words))
    assert all(word.isascii() and word.isalnum() for word in words)
    expected = {text.gram(letter) for letter in name}
    expected |= {text.gram(name[i : i + 2]) for i in range(len(name) - 1)}
    assert set(words) == expected


@given(st.text(min_size=1, max_size=2), st.text(min_size=1, max_size=2))
def test_different_letters_are_different_words(left: str, right: str) -> None:
    """Different letters are different words."""
    assert (text.gram(left) == text.gram(right)) == (left == right)


@pytest.mark.parametrize("bad", ["", " ", "\t\n\u00a0\u2003", "a\0b", "\ud800", "x" * 10_000])
def test_refused(bad: str) -> None:
    """Refused."""
    assert not text.usable_name(bad)
    assert not text.usable_tag(bad)
    assert not text.usable_id(bad)
    assert not text.usable_provider(bad)


@pytest.mark.parametrize("good", ["x", " x ", "'; DROP TABLE title; --", "😀", "100 %", "\u200b"])
def test_accepted(good: str) -> None:
    """Accepted."""
    assert text.usable_name(good)
    assert text.usable_tag(good)
    assert text.usable_id(good)
    assert text.usable_provider(good)


def test_bounds() -> None:
    """Bounds."""
    assert text.usable_name("ñ" * text.MAX_NAME_LENGTH)
    assert not text.usable_name("ñ" * (text.MAX_NAME_LENGTH + 1))
    assert text.usable_tag("ñ" * text.MAX_TAG_LENGTH)
    assert not text.usable_tag("ñ" * (text.MAX_TAG_LENGTH + 1))
    largest = 4 * (text.MAX_NAME_LENGTH + text.MAX_TAGS * text.MAX_TAG_LENGTH) + text.MAX_ID_LENGTH
    assert largest < 1_000_000  # the rest of Ice's 1 MB is for the proxy and the framing


def test_hopeless_queries_are_not_looked_up() -> None:
    """Hopeless queries are not looked up."""
    assert text.searchable("") and text.searchable("x" * text.MAX_NAME_LENGTH)
    for hopeless in ("x" * 1_000_000, "a\0", "\udfff"):
        assert not text.searchable(hopeless)
