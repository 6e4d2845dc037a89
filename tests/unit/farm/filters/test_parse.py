"""The notation of chains."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceflix.farm.filters.parse import (
    MAX_FILTERS,
    Step,
    format_chain,
    parse_chain,
    parse_filters,
)
from iceflix.runtime.errors import InvalidRequest

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True)
VALUES = st.from_regex(r"[A-Za-z0-9.+\-/ñ日]{1,20}", fullmatch=True)
STEPS = st.builds(Step, NAMES, st.dictionaries(NAMES, VALUES, max_size=4))
BLANKS = st.sampled_from(["", " ", "  ", "\t"])


def test_reads_names_and_parameters_in_order() -> None:
    """Reads names and parameters in order."""
    steps = parse_chain(" gray , blur: radius = 4,rotate90:turns=3 ")
    assert steps == (
        Step("gray", {}),
        Step("blur", {"radius": "4"}),
        Step("rotate90", {"turns": "3"}),
    )


@given(st.lists(STEPS, min_size=1, max_size=MAX_FILTERS), BLANKS)
def test_reads_what_it_writes(steps: list[Step], blank: str) -> None:
    """Reads what it writes."""
    text = format_chain(steps)
    spaced = text.replace(",", f"{blank},{blank}").replace(":", f"{blank}:{blank}")
    assert parse_chain(text) == tuple(steps)
    assert parse_chain(f"{blank}{spaced}{blank}") == tuple(steps)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    """Any text is read or refused with a sentence."""
    try:
        steps = parse_chain(text)
    except InvalidRequest as error:
        assert str(error).isprintable()
        assert len(str(error)) < 200
    else:
        assert parse_chain(format_chain(steps)) == steps


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no filter was named"),
        ("  ", "no filter was named"),
        ("gray,,blur", "filter number 2 has no name"),
        (":radius=4", "filter number 1 has no name"),
        ("Gray", "'Gray' cannot be a filter's name"),
        ("../gray", "cannot be a filter's name"),
        ("blur:4", "'4' is not a parameter of blur"),
        ("blur:radius=", "is not a parameter of blur"),
        ("blur:=4", "is not a parameter of blur"),
        ("blur:radius=4:radius=5", "blur is given radius twice"),
        ("blur:radius=" + "9" * 101, "the value of radius of blur is too long"),
        ("blur:radius=1\x1b[2J", "odd characters"),
        (",".join(["gray"] * 100), "100 filters are too many; at most 16 are allowed"),
    ],
)
def test_says_what_is_wrong(text: str, sentence: str) -> None:
    """Says what is wrong."""
    with pytest.raises(InvalidRequest, match=sentence.replace("[", r"\[")):
        parse_chain(text)


def test_a_list_of_filters_is_read_alike() -> None:
    """A list of filters is read alike."""
    assert parse_filters(["gray ", " blur:radius=4"]) == parse_chain("gray,blur:radius=4")
    with pytest.raises(InvalidRequest, match="no filter was named"):
        parse_filters([])
    with pytest.raises(InvalidRequest, match="'gray,blur' cannot be"):
        parse_filters(["gray,blur"])
