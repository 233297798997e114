"""Plots as SVG: bars in groups, and lines."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

COLOURS = ("#1a7f5a", "#c98a1b", "#b0413e", "#3465a4", "#75507b", "#6b6b6b")
WIDTH, LEFT, TOP = 860, 190, 64
BAR, GAP = 15, 14


def bars(title: str, groups: Mapping[str, Mapping[str, float | None]], below: str) -> str:
    """Draw a group of bars for each entry. A bar shows its value, and its ratio to the group's
    first.
    """
    names = [*dict.fromkeys(name for group in groups.values() for name in group)]
    longest = max(value or 0.0 for group in groups.values() for value in group.values())
    scale = (WIDTH - LEFT - 130) / longest
    parts, y = [*_legend(names)], TOP
    for group, values in groups.items():
        drawn = {name: value for name, value in values.items() if value is not None}
        parts.append(_text(LEFT - 10, y + len(drawn) * BAR / 2 + 4, group, anchor="end"))
        first = next(iter(drawn.values()))
        for number, (name, value) in enumerate(drawn.items()):
            colour, times = (
                COLOURS[names.index(name)],
                f"  ({value / first:.1f} x)" if number else "",
            )
            parts.append(
                f'<rect x="{LEFT}" y="{y}" width="{max(value * scale, 1):.1f}" height="{BAR - 2}"'
                f' fill="{colour}"/>'
            )
            parts.append(
                _text(LEFT + value * scale + 6, y + BAR - 4, f"{value:,.0f}{times}", size=11)
            )
            y += BAR
        y += GAP
    return _picture(title, parts, y + 10, below)


def lines(
    title: str, places: Sequence[str], series: Mapping[str, Sequence[float]], below: str
) -> str:
    """Draw a line for each entry over the same places, from zero up, with its name and values at
    the end.
    """
    height, right = 300, WIDTH - 330
    top = max(max(values) for values in series.values()) * 1.05
    xs = [80 + number * (right - 80) / max(len(places) - 1, 1) for number in range(len(places))]
    parts = [f'<path d="M80 {TOP}V{TOP + height}H{right}" fill="none" stroke="#999"/>']
    parts += [
        _text(x, TOP + height + 20, place, anchor="middle")
        for x, place in zip(xs, places, strict=True)
    ]
    taken: list[float] = []
    for number, (name, values) in enumerate(sorted(series.items(), key=lambda item: -item[1][-1])):
        ys = [TOP + height * (1 - value / top) for value in values]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, ys, strict=True))
        parts.append(
            f'<path d="{path}" fill="none" stroke="{COLOURS[number]}" stroke-width="2.5"/>'
        )
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{COLOURS[number]}"/>'
            for x, y in zip(xs, ys, strict=True)
        ]
        taken.append(max(ys[-1], taken[-1] + 16 if taken else 0.0))
        grown = " → ".join(f"{value:,.0f}" for value in values)
        parts.append(_text(right + 14, taken[-1] + 4, f"{name}: {grown}", colour=COLOURS[number]))
    return _picture(title, parts, TOP + height + 40, below)


def _legend(names: Sequence[str]) -> Iterator[str]:
    x = LEFT
    for number, name in enumerate(names):
        yield f'<rect x="{x}" y="36" width="12" height="12" fill="{COLOURS[number]}"/>'
        yield _text(x + 18, 47, name)
        x += 46 + 7 * len(name)


def _text(
    x: float, y: float, text: str, *, size: int = 13, anchor: str = "start", colour: str = "#333"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
        f' fill="{colour}">{escape(text)}</text>'
    )


def _picture(title: str, parts: Sequence[str], height: float, below: str) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height + 24:.0f}"'
        ' font-family="sans-serif">'
    )
    paper = '<rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join(
        [
            head,
            paper,
            _text(16, 22, title, size=15),
            *parts,
            _text(16, height + 10, below, size=11, colour="#666"),
            "</svg>\n",
        ]
    )
