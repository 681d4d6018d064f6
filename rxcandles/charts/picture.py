"""The same chart as a PNG, for reports; matplotlib is imported only here."""

from __future__ import annotations

import io
from typing import Any, Final

from rxcandles.arguments import check_count, check_flag, check_kind
from rxcandles.charts.levels import bars, fitting, shares
from rxcandles.charts.reading import ChartData
from rxcandles.extras import need
from rxcandles.timeframe import to_datetime

__all__ = ["png"]

_KOREAN: Final = ("Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "Malgun Gothic", "Apple SD Gothic Neo")
_DPI: Final = 100
_BAR_PIXELS: Final = 4
_LIGHT: Final = {
    "back": "#ffffff", "text": "#1f2328", "line": "#e4e7eb", "up": "#0f8f72", "down": "#cf3c4f", "stored": "#7a9cc6",
    "no trade": "#e0b04c", "empty by one answer": "#e38fb5", "missing": "#9467b5",
}  # fmt: skip
_DARK: Final = {
    "back": "#14171c", "text": "#dfe3e8", "line": "#262b33", "up": "#2fb894", "down": "#ef5f70", "stored": "#4f7cac",
    "no trade": "#b98a2c", "empty by one answer": "#b3648b", "missing": "#8e68b0",
}  # fmt: skip
"""The colours of ``assets/page.css``."""


def png(
    data: ChartData, title: str | None = None, *, width: int = 1400, height: int = 800, dark: bool = False
) -> bytes:
    """Return a picture of all of ``data``, ``width`` times ``height`` pixels, at the finest level that fits.

    Raises ``ExtraMissingError`` without matplotlib (the ``[chart]`` extra), and ``RequestError`` for bad arguments.
    """
    check_kind("data", data, ChartData)
    title = check_kind("title", f"{data.symbol} {data.timeframe}" if title is None else title, str)
    check_count("width", width, 300, 10_000)
    check_count("height", height, 200, 10_000)
    colours = _DARK if check_flag("dark", dark) else _LIGHT
    need("matplotlib", "chart")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    level = fitting(data, width // _BAR_PIXELS)
    made = bars(data, level)
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=colours["back"], layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower, strip = figure.subplots(3, 1, sharex=True, height_ratios=[15, 4, 1])
    rising = [close >= first for first, close in zip(made.open, made.close, strict=True)]
    colour = [colours["up" if up else "down"] for up in rising]
    upper.vlines(made.bar, made.low, made.high, colors=colour, linewidth=0.8)
    bodies = [abs(close - first) for first, close in zip(made.open, made.close, strict=True)]
    upper.bar(
        made.bar, bodies, 0.8, list(map(min, made.open, made.close)), color=colour, edgecolor=colour, linewidth=0.6
    )
    lower.bar(made.bar, made.volume, 0.8, color=colour, alpha=0.6)
    _coverage(strip, shares(data, level, made), colours)
    bar_name = "" if level.factor == 1 else f"   each bar {level.name}"
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in title) + bar_name
    # "$" begins no formula here.
    upper.set_title(shown, loc="left", color=colours["text"], fontsize=12, family=_families(), parse_math=False)
    for axes, name in ((upper, "price"), (lower, "volume"), (strip, "")):
        _plain(axes, name, colours)
    for axes in (upper, lower):
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    strip.set_yticks([])
    total = (data.slots - 1 + level.phase) // level.factor + 1
    strip.set_xlim(-0.5 - 0.01 * total, total - 0.5 + 0.01 * total)
    ticks = sorted({round(at * (total - 1) / 6) for at in range(7)})
    strip.set_xticks(ticks, [_moment(data, max(0, at * level.factor - level.phase)) for at in ticks])
    strip.set_xlabel("UTC", color=colours["text"])
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=_DPI, facecolor=colours["back"], metadata={"Software": "rxcandles"})
    return written.getvalue()


def _families() -> list[str]:
    """matplotlib's own font, which has no Korean, and those that have some and are here."""
    from matplotlib.font_manager import fontManager

    there = set(fontManager.get_font_names())
    return ["DejaVu Sans", *(name for name in _KOREAN if name in there)]


def _coverage(axes: Any, found: list[tuple[float, float, float]], colours: dict[str, str]) -> None:
    axes.set_ylim(0, 1)
    heights_of: dict[str, list[float]] = {"missing": [], "empty by one answer": [], "no trade": [], "stored": []}
    for stored, sure, known in found:
        # However little is missing or not sure, it shows.
        top = 0.8 if known < 1 else 1.0
        most = top - 0.2 if sure < known else top
        shares_of = (float(known < 1), min(known, top), min(sure, most), min(stored, most))
        for column, height in zip(heights_of.values(), shares_of, strict=True):
            column.append(height)
    for name, heights in heights_of.items():
        edges = [at - 0.5 for at in range(len(found) + 1)]
        axes.stairs(heights, edges, fill=True, color=colours[name], label=name, linewidth=0)
    axes.legend(loc="upper center", bbox_to_anchor=(0.9, -0.9), ncols=4, frameon=False, labelcolor=colours["text"])


def _plain(axes: Any, name: str, colours: dict[str, str]) -> None:
    axes.set_facecolor(colours["back"])
    axes.set_ylabel(name, color=colours["text"])
    axes.tick_params(colors=colours["text"])
    axes.grid(visible=True, color=colours["line"], linewidth=0.6)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_color(colours["line"])


def _moment(data: ChartData, slot: int) -> str:
    form = "%Y-%m-%d" if not data.timeframe.seconds or data.timeframe.seconds >= 86_400 else "%Y-%m-%d %H:%M"
    return f"{to_datetime(data.open_time(slot)):{form}}"
