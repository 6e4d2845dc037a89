"""Names and tags as keys: what equals what, what contains what, and what is refused (V29, V30).

Two keys, both made of Unicode's own algorithms:

- the *exact key* is the canonical caseless form (Unicode 3.13, D145), composed: "ESPAÑA" and
  "España", typed with either kind of ñ, are one; accents are kept.
- the *folded text* drops accents as well: "espana" finds "España". It is made character by
  character, so whatever contains a query by case folding alone contains it folded too.

Nothing is special in either: quotes, ``%``, ``_`` and emoji stand for themselves.
"""

import itertools
import unicodedata

MAX_ID_LENGTH = 256
MAX_NAME_LENGTH = 1000
MAX_TAG_LENGTH = 200
MAX_TAGS = 1000  # of one title; with the lengths above, a Media fits into Ice's 1 MB message
MAX_PROVIDER_LENGTH = 4096

_LONGEST_EXPANSION = 20  # decomposition (at most 4 characters) times case folding (3), with room
# Non-characters that SQLite's tokenizer takes for the replacement character.
_NON_CHARACTERS = {0xFFFE: 0xFFFD, 0xFFFF: 0xFFFD}


def exact_key(text: str) -> str:
    """The canonical caseless form, composed: equal for names that only differ in case."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def folded(text: str) -> str:
    """The text without case and accents, for searches by a part of the name."""
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFD", text).casefold()
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).translate(
        _NON_CHARACTERS
    )


def gram(letters: str) -> str:
    """A word that stands for these letters, made of letters and digits of ASCII only."""
    return "g".join(f"{ord(letter):x}" for letter in letters)


def grams(folded_text: str) -> str:
    """Every letter and pair of letters of a folded text once, as words for a full-text index.

    Depends on nothing but the text itself: an index is told by it what to add and what to delete.
    """
    pairs = {gram(left + right) for left, right in itertools.pairwise(folded_text)}
    return " ".join(sorted(pairs.union(map(gram, folded_text))))


def searchable(query: str) -> bool:
    """Whether any name or tag could match: no honest query is megabytes long or not text."""
    return len(query) <= MAX_NAME_LENGTH * _LONGEST_EXPANSION and _is_text(query)


def usable_id(media_id: str) -> bool:
    """Whether this can be a medium's identifier."""
    return _usable(media_id, MAX_ID_LENGTH)


def usable_name(name: str) -> bool:
    """Whether a title can have this name: not blank, not endless, no NUL (V31)."""
    return _usable(name, MAX_NAME_LENGTH)


def usable_tag(tag: str) -> bool:
    """Whether a title can have this tag."""
    return _usable(tag, MAX_TAG_LENGTH)


def usable_provider(provider: str) -> bool:
    """Whether this can be a provider's id or stringified proxy."""
    return _usable(provider, MAX_PROVIDER_LENGTH)


def _usable(text: str, limit: int) -> bool:
    return 0 < len(text) <= limit and not text.isspace() and _is_text(text)


def _is_text(text: str) -> bool:
    """Whether a database can keep it: no NUL, no halves of surrogate pairs."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
