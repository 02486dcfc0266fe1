"""Draws the results of `./dev bench` as one PNG, with Python's own library only.

`chart.py RESULTS.ndjson CHART.png`. One panel for each case, costs upward: rates are drawn as the
time of an event. A case measured at several sizes is cost against size, both in logarithms; one
measured at a single size is a bar for each subject.

Not here: tables and floors; the bench prints them. How lines and letters become pixels is in
`canvas.py`. Begin with `main`.
"""

import json
import math
import sys
from pathlib import Path

from canvas import Canvas, text_width

COLUMNS = 4
PANEL_WIDTH = 440
GROWTH_HEIGHT, BARS_HEIGHT = 280, 232
MARGIN, HEAD = 30, 80
# Of a panel: what stays around the plot, for the title and for labels.
LEFT, RIGHT, TOP, BOTTOM = 58, 100, 52, 34

INK, SOFT, GRID, PAPER = (35, 38, 44), (120, 125, 134), (228, 230, 234), (255, 255, 255)
COLOURS = {
    "millpond": (20, 92, 190),
    "millpond_bytes": (104, 165, 232),
    "sqlite": (222, 112, 16),
    "lmdb_rows": (34, 140, 84),
    "file": (128, 132, 140),
    "tcp": (140, 84, 180),
    "rust": (176, 58, 46),
    "rust_bytes": (224, 140, 128),
}

# {subject: [(events, cost), …]} of one case.
Lines = dict[str, list[tuple[int, float]]]


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    cases: dict[str, Lines] = {}
    units: dict[str, str] = {}
    for line in source.read_text(encoding="utf-8").splitlines():
        figure = json.loads(line)
        cost, unit = cost_of(figure)
        case = figure["case"]
        units[case] = unit
        points = cases.setdefault(case, {}).setdefault(figure["subject"], [])
        points.append((figure["events"], cost))
    # Those that show growth come first.
    names = sorted(cases, key=lambda case: not grows(cases[case]))
    rows = [names[start : start + COLUMNS] for start in range(0, len(names), COLUMNS)]
    heights = [GROWTH_HEIGHT if grows(cases[row[0]]) else BARS_HEIGHT for row in rows]
    canvas = Canvas(MARGIN * 2 + PANEL_WIDTH * COLUMNS, HEAD + sum(heights), PAPER)
    canvas.text(MARGIN, 24, "what it costs, and how that grows", INK, size=1.5, weight=2.4)
    canvas.text(MARGIN, 52, "medians of one run of the bench; lower is better", SOFT)
    y = HEAD
    for row, height in zip(rows, heights):
        for column, case in enumerate(row):
            x = MARGIN + column * PANEL_WIDTH
            canvas.text(x, y + 4, case, INK, size=1.15, weight=2.0)
            draw = draw_growth if grows(cases[case]) else draw_bars
            draw(canvas, x, y, cases[case], units[case])
        y += height
    target.write_bytes(canvas.png())


def cost_of(figure: dict) -> tuple[float, str]:
    """A figure as a cost and its unit."""
    if figure["unit"] == "events/s":
        return 1e6 / figure["value"], "µs an event"
    unit = "bytes an event" if figure["unit"] == "bytes" else figure["unit"]
    return figure["value"], unit


def grows(lines: Lines) -> bool:
    return any(len(points) > 1 for points in lines.values())


def draw_growth(canvas: Canvas, x: int, y: int, lines: Lines, unit: str) -> None:
    """Cost against events: a line for each subject, named at its end."""
    canvas.text(x, y + 24, f"{unit}, against events", SOFT, size=0.9)
    left, right = x + LEFT, x + PANEL_WIDTH - RIGHT
    top, bottom = y + TOP, y + GROWTH_HEIGHT - BOTTOM - 12
    sizes = sorted({events for points in lines.values() for events, _ in points})
    costs = [cost for points in lines.values() for _, cost in points if cost > 0]
    low, high = bounds(costs)

    def across(events: float) -> float:
        share = math.log(events / sizes[0]) / math.log(sizes[-1] / sizes[0])
        return left + 8 + share * (right - left - 16)

    def up(cost: float) -> float:
        # What is nothing stands on the floor: a logarithm has no place for it.
        share = math.log(max(cost, low) / low) / math.log(high / low)
        return bottom - share * (bottom - top)

    for tick in ticks(low, high):
        canvas.line([(left, up(tick)), (right, up(tick))], GRID, 1)
        label = short(tick)
        canvas.text(left - 8 - text_width(label, 0.9), up(tick) - 7, label, SOFT, size=0.9)
    for events in sizes:
        label = short(events)
        canvas.line([(across(events), bottom), (across(events), bottom + 4)], SOFT, 1)
        middle = across(events) - text_width(label, 0.9) / 2
        canvas.text(middle, bottom + 8, label, SOFT, size=0.9)
    canvas.line([(left, bottom), (right, bottom)], SOFT, 1)
    # Ours last, so that it lies on top.
    for subject in sorted(lines, key=lambda name: name == "millpond"):
        points = [(across(events), up(cost)) for events, cost in sorted(lines[subject])]
        colour = COLOURS.get(subject, INK)
        canvas.line(points, colour, 3 if subject == "millpond" else 2)
        for point in points:
            canvas.line([point, point], colour, 7 if subject == "millpond" else 6)
    ends = [(up(max(points)[1]), subject) for subject, points in lines.items()]
    for place, subject in apart(sorted(ends), 15, top, bottom):
        canvas.text(right + 8, place - 7, subject, COLOURS.get(subject, INK), size=0.9, weight=1.6)


def draw_bars(canvas: Canvas, x: int, y: int, lines: Lines, unit: str) -> None:
    """A bar for each subject, with its value."""
    events = max(points[0][0] for points in lines.values())
    canvas.text(x, y + 24, f"{unit}, with {short(events)} events", SOFT, size=0.9)
    room = PANEL_WIDTH - 215
    most = max(points[0][1] for points in lines.values()) or 1
    for index, (subject, [(_, cost), *_]) in enumerate(lines.items()):
        middle = y + TOP + 16 + index * 34
        colour = COLOURS.get(subject, INK)
        canvas.text(x, middle - 7, subject, colour, size=0.9, weight=1.6)
        start, length = x + 128, max(2, round(cost / most * room))
        canvas.box(start, middle - 9, start + length, middle + 9, colour)
        canvas.text(start + length + 8, middle - 7, digits(cost), INK, size=0.9)


def bounds(costs: list[float]) -> tuple[float, float]:
    """Where the axis begins and ends: with air, and never less than a factor of four apart."""
    low, high = (min(costs) / 1.3, max(costs) * 1.3) if costs else (1, 10)
    if high / low < 4:
        widen = math.sqrt(4 / (high / low))
        low, high = low / widen, high * widen
    return low, high


def ticks(low: float, high: float) -> list[float]:
    """Powers of ten, and steps between them where these alone would be too few."""
    steps = (1,) if high / low > 100 else (1, 2, 5) if high / low > 8 else (1, 1.5, 2, 3, 5, 7)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [step * 10.0**power for power in powers for step in steps]
    return [tick for tick in every if low <= tick <= high]


def apart(ends: list[tuple[float, str]], step: float, top: float, bottom: float) -> list:
    """The same labels at places at least `step` apart, as near to their lines as there is room."""
    places = [place for place, _ in ends]
    for _ in range(60):
        for index in range(len(places) - 1):
            lack = step - (places[index + 1] - places[index])
            if lack > 0:
                places[index] -= lack / 2
                places[index + 1] += lack / 2
        places = [min(max(place, top), bottom) for place in places]
    return [(place, subject) for place, (_, subject) in zip(places, ends)]


def short(number: float) -> str:
    """`1k`, `0.05`, `10M`."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if number >= size * 0.999:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def digits(number: float) -> str:
    """Three digits that tell something, thousands with commas."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


main()
