"""Bar charts as SVG, by hand: medians as bars, spreads as whiskers. Pure."""

from collections.abc import Sequence
from html import escape

from iceflix.farm.compare.summary import Figure

_LABELS, _BARS, _VALUES = 110, 380, 150
_STEP, _TOP = 30, 42
_COLOURS = ("#5b7c99", "#c8553d", "#e0a458", "#6a994e")
_STYLE = "font-family:sans-serif;font-size:13px"


def bars(title: str, unit: str, rows: Sequence[tuple[str, Figure]]) -> str:
    """A chart of one bar for each row."""
    width, height = _LABELS + _BARS + _VALUES, _TOP + _STEP * len(rows) + 8
    scale = _BARS / (max(figure.greatest for _, figure in rows) or 1.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" style="{_STYLE}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="10" y="24" font-weight="bold">{escape(title)} ({escape(unit)})</text>',
    ]
    for position, (label, figure) in enumerate(rows):
        top = _TOP + _STEP * position
        colour = _COLOURS[position % len(_COLOURS)]
        middle = top + _STEP // 2 - 3
        least, most = (_LABELS + scale * value for value in (figure.least, figure.greatest))
        parts += [
            f'<text x="{_LABELS - 8}" y="{middle + 5}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{_LABELS}" y="{top}" width="{max(1.0, scale * figure.median):.1f}" '
            f'height="{_STEP - 8}" fill="{colour}"/>',
            f'<path d="M{least:.1f} {middle}H{most:.1f}M{least:.1f} {middle - 5}v10'
            f'M{most:.1f} {middle - 5}v10" stroke="#222222" fill="none"/>',
            f'<text x="{max(most, _LABELS) + 8:.1f}" y="{middle + 5}">{_short(figure)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _short(figure: Figure) -> str:
    return f"{figure.median:.3g} ({figure.least:.3g} to {figure.greatest:.3g})"
