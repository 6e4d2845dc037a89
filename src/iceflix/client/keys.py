"""The keys of the terminal application: what they do, and which of them are of use when."""

from iceflix.client import vocabulary as v
from iceflix.client.i18n import Language
from iceflix.client.sentences import mark
from iceflix.client.widgets import Hint

# Key, action, words.
KEYS = (
    ("ctrl+o", "connect", mark("Connect")),
    ("ctrl+d", "disconnect", mark("Disconnect")),
    ("ctrl+l", "sign_in", mark("Sign in")),
    ("ctrl+l", "sign_out", mark("Sign out")),
    ("slash", "search", mark("Search")),
    ("p", "play", mark("Play")),
    ("space", "pause", mark("Pause")),
    ("left", "rewind", mark("10 s back")),
    ("right", "forward", mark("10 s forward")),
    ("home", "beginning", mark("From the beginning")),
    ("s", "stop", mark("Stop")),
    ("w", "record", mark("Record")),
    ("r", "rename", mark("Rename")),
    ("t", "tag", mark("Add tags")),
    ("u", "untag", mark("Remove tags")),
    ("f1", "help", mark("Help")),
    ("ctrl+q", "quit", mark("Quit")),
)
_KEY_NAMES = {
    "slash": "/",
    "space": mark("Space"),
    "left": "←",
    "right": "→",
    "home": mark("Home"),
}
# Key -> where to go, in seconds, and whether that is from the present position.
SEEKS = {"left": (-10.0, True), "right": (10.0, True), "home": (0.0, False)}


def key_name(key: str, speech: Language) -> str:
    """Write a key as people know it."""
    if key.startswith("ctrl+"):
        return f"^{key[-1].upper()}"
    return speech.text(_KEY_NAMES.get(key, key.upper() if key[0] == "f" else key))


def useful(view: v.View, speech: Language) -> list[Hint]:
    """Return the keys that are of use now, the most useful first."""
    if view.link is v.Link.OFFLINE:
        return [_hint("connect", speech)]
    wanted = ["search"]
    if view.playing is not None:
        seeks = ["rewind", "forward"] if view.playing.seekable else []
        wanted = ["pause", *seeks, "stop", *wanted]
    if view.login.user is None:
        wanted.append("sign_in")
    elif view.selection is not None:
        wanted += ["play", "record"] if view.playing is None else []
        wanted += ["rename", "tag", "untag"]
    if view.login.user is not None:
        wanted.append("sign_out")
    return [_hint(action, speech) for action in wanted]


def always(speech: Language) -> list[Hint]:
    """Return the keys that are always of use."""
    return [_hint("help", speech), _hint("quit", speech)]


def _hint(wanted: str, speech: Language) -> Hint:
    key, words = next((key, words) for key, action, words in KEYS if action == wanted)
    return Hint(key_name(key, speech), wanted, speech.text(words))
