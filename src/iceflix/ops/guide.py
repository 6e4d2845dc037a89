"""The table of properties in ``docs/operations.md``: ``python -m iceflix.ops.guide`` renews it."""

import sys
from itertools import groupby
from pathlib import Path

from iceflix.ops.project import ROOT
from iceflix.properties import PROPERTIES, Property

GUIDE = ROOT / "docs" / "operations.md"
BEGIN = "<!-- properties: begin -->\n"
END = "<!-- properties: end -->\n"


def table() -> str:
    """One table per group of properties, in the order of ``iceflix.properties``."""
    groups = groupby(PROPERTIES, lambda known: known.key.partition(".")[0])
    return "\n".join(_group(list(members)) for _name, members in groups)


def renewed(text: str) -> str:
    """The guide with the table as it is now. Raises ValueError when the marks are not there."""
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"the guide lacks {BEGIN.strip()} or {END.strip()}")
    return f"{before}{BEGIN}{table()}{END}{after}"


def _group(members: list[Property]) -> str:
    rows = [f"| `{one.key}` | {_default(one)} | {one.meaning} |\n" for one in members]
    return "".join(["| property | default | meaning |\n| --- | --- | --- |\n", *rows])


def _default(known: Property) -> str:
    text = known.default.replace("{home}/", "")
    return f"`{text}`" if text else "(empty)"


def main(guide: Path = GUIDE) -> int:
    """Renew the table in place; returns the exit code."""
    guide.write_text(renewed(guide.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
