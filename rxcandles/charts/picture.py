"""The same chart as a PNG, for reports; matplotlib is imported only here."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any, Final

from rxcandles.charts.levels import Level, bars, fitting
from rxcandles.charts.reading import ChartData
from rxcandles.charts.strip import Counts, Kinds, columns
from rxcandles.model.absent import ABSENT_WORDS
from rxcandles.model.moments import KST, Zone, zone
from rxcandles.model.timeframe import to_datetime
from rxcandles.util.arguments import check_count, check_flag, check_kind
from rxcandles.util.extras import need

__all__ = ["png"]

_KOREAN: Final = ("Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "Malgun Gothic", "Apple SD Gothic Neo")
_DPI: Final = 100
_BAR_PIXELS: Final = 5
_TICK_PIXELS: Final = 170
"""Width of a time on the axis."""
_LIGHT: Final = {
    "back": "#ffffff", "text": "#1f2328", "line": "#e4e7eb", "up": "#0f8f72", "down": "#cf3c4f", "stored": "#7a9cc6",
    "no trade": "#e0b04c", "outage": "#7f5a32", "no trade or outage": "#b08540", "empty by one answer": "#e38fb5",
    "missing": "#9467b5", "impossible": "#e8590c",
    "imported": "#7d848d",
    "imported up": "#a9afb7", "imported down": "#5f6670",
}  # fmt: skip
_DARK: Final = {
    "back": "#14171c", "text": "#dfe3e8", "line": "#262b33", "up": "#2fb894", "down": "#ef5f70", "stored": "#4f7cac",
    "no trade": "#b98a2c", "outage": "#8d6a42", "no trade or outage": "#96733a", "empty by one answer": "#b3648b",
    "missing": "#8e68b0", "impossible": "#d9480f",
    "imported": "#99a0a9",
    "imported up": "#c3c8ce", "imported down": "#7c838c",
}  # fmt: skip
"""The colours of ``assets/page.css``."""


def png(
    data: ChartData,
    title: str | None = None,
    *,
    width: int = 1400,
    height: int = 800,
    dark: bool = False,
    tz: Zone | None = None,
) -> bytes:
    """Return a picture of all of ``data`` at the finest level that fits, as the bytes of a PNG.

    * ``title``: by default the name of the series.
    * ``width``, ``height``: pixels.
    * ``dark``: light on dark.
    * ``tz``: the zone of its times, such as ``"Asia/Seoul"``; by default UTC, with the last candle in Korea's time as
      well.

    Raises:

    * ``ExtraMissingError`` if matplotlib (the ``[chart]`` extra) is not installed.
    * ``RequestError`` for an invalid argument.

    ::

        data = await charts.read_chart(store, "KRW-BTC", "1m")
        Path("btc.png").write_bytes(charts.png(data, width=800, height=500))
    """
    check_kind("data", data, ChartData)
    title = check_kind("title", f"{data.symbol} {data.timeframe}" if title is None else title, str)
    check_count("width", width, 300, 10_000)
    check_count("height", height, 200, 10_000)
    colours = _DARK if check_flag("dark", dark) else _LIGHT
    there = UTC if tz is None else zone("tz", tz)
    need("matplotlib", "chart")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    level = fitting(data, width // _BAR_PIXELS)
    made = bars(data, level)
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=colours["back"], layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower, strip = figure.subplots(3, 1, sharex=True, height_ratios=[15, 4, 1])
    rising = [close >= first for first, close in zip(made.open, made.close, strict=True)]
    colour = [
        colours[("imported " if foreign else "") + ("up" if up else "down")]
        for up, foreign in zip(rising, made.imported, strict=True)
    ]
    upper.vlines(made.bar, made.low, made.high, colors=colour, linewidth=0.8)
    bodies = [abs(close - first) for first, close in zip(made.open, made.close, strict=True)]
    upper.bar(
        made.bar, bodies, 0.8, list(map(min, made.open, made.close)), color=colour, edgecolor=colour, linewidth=0.6
    )
    lower.bar(made.bar, made.volume, 0.8, color=colour, alpha=0.6)
    bar_name = "" if level.factor == 1 else f"   each bar {level.name}"
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in title) + bar_name
    # Otherwise "$" would begin a formula.
    figure.suptitle(
        f"{shown}\n{_last(data, there, '  ' if width >= 700 else chr(10))}",
        x=0.01, ha="left", color=colours["text"], fontsize=10 if width >= 500 else 8, family=_families(),
        parse_math=False,
    )  # fmt: skip
    for axes, name in ((upper, "price"), (lower, "volume"), (strip, "")):
        _plain(axes, name, colours)
    for axes in (upper, lower):
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    strip.set_yticks([])
    total = (data.slots - 1 + level.phase) // level.factor + 1
    strip.set_xlim(-0.5 - 0.01 * total, total - 0.5 + 0.01 * total)
    number = max(1, min(6, width // _TICK_PIXELS - 1))
    ticks = sorted({round(at * (total - 1) / number) for at in range(number + 1)})
    strip.set_xticks(ticks, [_moment(data, max(0, at * level.factor - level.phase), there) for at in ticks])
    strip.set_xlabel(str(there), color=colours["text"])
    _coverage(figure, strip, data, level, colours)
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=_DPI, facecolor=colours["back"], metadata={"Software": "rxcandles"})
    return written.getvalue()


def _families() -> list[str]:
    """matplotlib's own font, which has no Korean, and those that have some and are here."""
    from matplotlib.font_manager import fontManager

    there = set(fontManager.get_font_names())
    return ["DejaVu Sans", *(name for name in _KOREAN if name in there)]


def _coverage(figure: Any, axes: Any, data: ChartData, level: Level, colours: dict[str, str]) -> None:
    """Fill the strip's pixels, each column in proportion to its slots, so that the areas are true."""
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Patch

    counts, names = Counts(data), _names(data)
    whole = counts.between(0, data.slots)
    handles = [
        Patch(color=colours[name], label=f"{name} {_percent(share / data.slots)}")
        for name, share in zip(names, whole, strict=True)
        if share
    ]
    columns_of_it = len(handles) if figure.get_figwidth() * _DPI >= 900 else 2
    figure.legend(
        handles=handles, loc="outside lower right", ncols=columns_of_it, frameon=False, labelcolor=colours["text"]
    )
    figure.draw_without_rendering()  # the layout is known only now
    figure.set_layout_engine("none")
    box, (first, last) = axes.get_window_extent(), axes.get_xlim()
    left, right, bottom, top = (round(each) for each in (box.x0, box.x1, box.y0, box.y1))

    def slot_at(x: int) -> float:
        return float((first + (x - box.x0) / box.width * (last - first) + 0.5) * level.factor - level.phase)

    height = top - bottom
    found = columns(counts, [slot_at(x) for x in range(left, right + 1)], height)
    shades = [to_rgba(colours[name]) for name in names]
    stacks = [_stack(each, shades, height) for each in found]
    pixels = [[stack[y] for stack in stacks] for y in range(height - 1, -1, -1)]
    figure.figimage(pixels, left, bottom, origin="upper", zorder=5)


def _names(data: ChartData) -> tuple[str, ...]:
    """Return the names of the kinds of slots, in the order of ``Kinds``."""
    return ("stored", "imported", ABSENT_WORDS[data.absent], "empty by one answer", "missing", "impossible")


def _stack(kinds: Kinds | None, shades: Sequence[Any], height: int) -> list[Any]:
    """Return one column from its bottom up; transparent where there is no slot."""
    found = [shade for shade, number in zip(shades, kinds or (), strict=False) for _ in range(int(number))]
    return found + [(0.0, 0.0, 0.0, 0.0)] * (height - len(found))


def _percent(share: float) -> str:
    return "<0.1 %" if share < 0.001 else ">99.9 %" if 0.999 < share < 1 else f"{share:.1%}".replace("%", " %")


def _last(data: ChartData, tz: tzinfo, between: str) -> str:
    """Return the last candle in words; if times are in UTC, with Korean time as well."""
    if not len(data):
        return ""
    opened = to_datetime(data.open_time(data.slot[-1])).astimezone(tz)
    prices = "  ".join(f"{name} {each[-1]:,.10g}" for name, each in zip("OHLC", _prices(data), strict=True))
    times = f"last {opened:%Y-%m-%d %H:%M} {tz}"
    times += f", {opened.astimezone(KST):%m-%d %H:%M} KST" if tz is UTC else ""
    return f"{times}{between}{prices}"


def _prices(data: ChartData) -> tuple[Sequence[float], ...]:
    return data.open, data.high, data.low, data.close


def _plain(axes: Any, name: str, colours: dict[str, str]) -> None:
    axes.set_facecolor(colours["back"])
    axes.set_ylabel(name, color=colours["text"])
    axes.tick_params(colors=colours["text"])
    axes.grid(visible=True, color=colours["line"], linewidth=0.6)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_color(colours["line"])


def _moment(data: ChartData, slot: int, tz: tzinfo) -> str:
    form = "%Y-%m-%d" if not data.timeframe.seconds or data.timeframe.seconds >= 86_400 else "%Y-%m-%d %H:%M"
    return f"{to_datetime(data.open_time(slot)).astimezone(tz):{form}}"
