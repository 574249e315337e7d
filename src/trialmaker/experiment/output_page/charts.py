"""Line charts as SVG, a few kilobytes each: matplotlib would cost a run a second, plotly the page four megabytes."""

import math
from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 28
MAX_POINTS = 500  # of a line; more cannot be told apart
LOG_STEPS = (1, 2, 5)


def line_chart(
    series: Mapping[str, Sequence[tuple[int, float]]],
    *,
    log: bool = False,
    percent: bool = False,
    marked_x: int | None = None,
    points_only: str | None = None,
) -> Markup:
    """Return a chart with a line for each series.

    Args:
        series: (x, y) points in the order of x, by the class of the line: ``training``, ``validation``, ``best``.
        log: scale y by its logarithm; what is 0 lies at the bottom.
        percent: whether y is a share.
        marked_x: where a dotted vertical line stands.
        points_only: the series that is drawn as points, without a line.
    """
    points = [point for line in series.values() for point in line if math.isfinite(point[1])]
    if not points:
        return Markup("")
    xs = (min(x for x, _ in points), max(x for x, _ in points))
    ticks = _log_ticks([y for _, y in points]) if log else _linear_ticks([y for _, y in points])
    scale = _Scale(xs, (ticks[0], ticks[-1]), log=log)
    parts = [
        *_y_axis(ticks, scale, percent=percent),
        *_x_axis(xs, scale),
        *([_vertical(scale.x(marked_x), "marked")] if marked_x is not None else []),
        *(_line(name, line, scale, is_line=name != points_only) for name, line in series.items()),
    ]
    return Markup('<svg viewBox="0 0 {} {}" role="img">{}</svg>').format(WIDTH, HEIGHT, Markup("").join(parts))


class _Scale:
    """From values to places in the drawing."""

    def __init__(self, xs: tuple[int, int], ys: tuple[float, float], *, log: bool) -> None:
        self.xs, self.log = xs, log
        self.low, self.high = (math.log10(ys[0]), math.log10(ys[1])) if log else ys

    def x(self, value: float) -> float:
        """Return the horizontal place, in units of the drawing."""
        low, high = self.xs
        share = (value - low) / (high - low) if high > low else 0.5
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Return the vertical place, in units of the drawing; what is below the scale lies at its bottom."""
        position = (math.log10(value) if value > 0 else self.low) if self.log else value
        share = max(0.0, (position - self.low) / (self.high - self.low))
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _log_ticks(values: Sequence[float]) -> list[float]:
    """Return 1, 2 and 5 times powers of ten that enclose the positive values."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = min(positive), max(positive)
    exponents = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    ticks = [step * 10.0**exponent for exponent in exponents for step in LOG_STEPS]
    first = max((at for at, tick in enumerate(ticks) if tick <= low * 1.0001), default=0)
    last = next(at for at, tick in enumerate(ticks) if tick >= high * 0.9999)
    ticks = ticks[first : max(last, first + 1) + 1]
    return (
        ticks
        if len(ticks) <= 8
        else [tick for tick in ticks if _first_digit(tick) == 1 or tick in (ticks[0], ticks[-1])]
    )


def _first_digit(value: float) -> int:
    return round(value / 10.0 ** math.floor(math.log10(value) + 1e-9))


def _linear_ticks(values: Sequence[float]) -> list[float]:
    """Return four to eight round numbers that enclose the values."""
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    raw = span / 4
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= raw)
    first, last = math.floor(low / step), max(math.ceil(high / step), math.floor(low / step) + 1)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _y_axis(ticks: Sequence[float], scale: _Scale, *, percent: bool) -> Iterator[Markup]:
    for tick in ticks:
        y = scale.y(tick)
        yield Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(LEFT, WIDTH - RIGHT, y, y)
        label = f"{100 * tick:.4g} %" if percent else f"{tick:.4g}"
        yield Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(LEFT - 6, y + 4, label)


def _x_axis(xs: tuple[int, int], scale: _Scale) -> Iterator[Markup]:
    """Yield whole numbers, at most eight."""
    step = next(f * 10**e for e in range(12) for f in LOG_STEPS if (xs[1] - xs[0]) / (f * 10**e) <= 7)
    first = -(-xs[0] // step) * step
    for tick in sorted({*range(first, xs[1] + 1, step), *((xs[0],) if first - xs[0] > step / 2 else ())}):
        place = Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>')
        yield place.format(scale.x(tick), HEIGHT - BOTTOM + 18, tick)


def _vertical(x: float, name: str) -> Markup:
    return Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(name, x, x, TOP, HEIGHT - BOTTOM)


def _line(name: str, line: Sequence[tuple[int, float]], scale: _Scale, *, is_line: bool) -> Markup:
    """Return a polyline; points where it is one of points, or has a single one."""
    shown = [point for point in line if math.isfinite(point[1])]
    if len(shown) > MAX_POINTS:
        shown = [shown[round(at * (len(shown) - 1) / (MAX_POINTS - 1))] for at in range(MAX_POINTS)]
    places = [(scale.x(x), scale.y(y)) for x, y in shown]
    if is_line and len(places) > 1:
        return Markup('<polyline class="{}" points="{}"/>').format(name, " ".join(f"{x},{y}" for x, y in places))
    circles = (Markup('<circle class="{}" cx="{}" cy="{}" r="3"/>').format(name, x, y) for x, y in places)
    return Markup("").join(circles)
