"""The PNG for reports."""

from __future__ import annotations

import io
import subprocess
import sys
from array import array
from collections import Counter
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from PIL import Image

from rxcandles import RequestError, charts
from rxcandles.charts import ChartData
from rxcandles.charts.strip import Counts
from rxcandles.model.timeframe import to_datetime
from tests.support.chartdata import FIRST, chart_of, written

VIOLET, AMBER, BLUE = (0x94, 0x67, 0xB5), (0xE0, 0xB0, 0x4C), (0x7A, 0x9C, 0xC6)
PINK, GREY = (0xE3, 0x8F, 0xB5), (0x7D, 0x84, 0x8D)
ORANGE = (0xE8, 0x59, 0x0C)


def day(provisional: tuple[tuple[int, int], ...] = ()) -> ChartData:
    """1,000 minutes: a third stored, a third without a trade, a third missing."""
    rows = [row for row in written(1000)[::-1] if (row.open_time - FIRST) // 60 < 333]
    return chart_of(rows, (0, 667), slots=1000, provisional=provisional)


def counted(content: bytes) -> Counter[tuple[int, ...]]:
    """The colours of a picture, each with its number of pixels."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    return Counter({colour: number for number, colour in picture.getcolors(10**7) or []})  # type: ignore[misc]


def test_shows_candles_and_coverage() -> None:
    """It is a PNG of the size asked for; its strip is a third stored, a third without a trade, a third missing."""
    content = charts.png(day(), width=900, height=500)
    assert Image.open(io.BytesIO(content)).size == (900, 500)
    seen = counted(content)
    assert seen[255, 255, 255] > 100_000
    assert seen[0x0F, 0x8F, 0x72] > 100
    assert seen[0xCF, 0x3C, 0x4F] > 100
    # The samples in the legend are small, and of one size.
    assert min(seen[VIOLET], seen[AMBER], seen[BLUE]) > 0.8 * max(seen[VIOLET], seen[AMBER], seen[BLUE]) > 2000
    assert counted(charts.png(day(), dark=True))[0x14, 0x17, 0x1C] > 500_000


def test_what_is_empty_by_one_answer_has_a_colour() -> None:
    """Half of what had no trade takes the colour of what one answer says, which a slot of it shows as well."""
    none, half, one = (counted(charts.png(day(spans)))[PINK] for spans in ((), ((333, 500),), ((400, 401),)))
    assert half > 1500
    assert none < one < half


def test_the_strip_is_true_in_a_narrow_picture() -> None:
    """Two slots in a thousand without a trade are as much of the strip, and imported candles have their colour."""
    rows = [row for row in written(20_000, traded=0.998)[::-1] if (row.open_time - FIRST) // 60 < 20_000]
    data = chart_of(rows, (0, 10_000), slots=20_000)
    data = attrs.evolve(data, imported=array("I", [at for at, slot in enumerate(data.slot) if slot >= 10_000]))
    empty = sorted(set(range(10_000, 20_000)) - set(data.slot))[:15]
    data = attrs.evolve(data, impossible=tuple((slot, slot + 1) for slot in empty))
    picture = Image.open(io.BytesIO(charts.png(data, width=400, height=400))).convert("RGB")
    seen: Counter[tuple[int, ...]] = Counter()
    for y in range(picture.height):
        line = Counter(picture.crop((0, y, picture.width, y + 1)).get_flattened_data())
        if line[BLUE] > 60 and line[GREY] > 60:  # not a sample of the legend
            seen += Counter({each: line[each] for each in (BLUE, AMBER, VIOLET, GREY, ORANGE)})
    truth = Counts(data).between(0, 20_000)
    found = [seen[each] / seen.total() for each in (BLUE, GREY, AMBER, VIOLET, ORANGE)]
    assert found == pytest.approx([truth[at] / 20_000 for at in (0, 1, 2, 4, 5)], abs=0.002)
    assert seen[ORANGE]


def test_one_candle_and_odd_titles() -> None:
    """A single candle is a picture too, and a title may hold what elsewhere begins a formula."""
    assert charts.png(chart_of(written(1), (0, 1)), r"$x_{1$ \frac{").startswith(b"\x89PNG")


def test_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times are in the zone, whose name is under them; without one in UTC, the last candle's in Korea's too."""
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    told: list[str] = []
    for owner, name in ((Figure, "suptitle"), (Axes, "set_xlabel"), (Axes, "set_xticks")):
        real = getattr(owner, name)

        def call(self: object, *given: Any, _real: Any = real, **named: Any) -> Any:
            told.append(str(given))
            return _real(self, *given, **named)

        monkeypatch.setattr(owner, name, call)
    opens = {tz: to_datetime(FIRST).astimezone(ZoneInfo(tz)) for tz in ("UTC", "America/New_York")}
    for tz, opened in opens.items():
        charts.png(chart_of(written(1), (0, 1)), tz=tz, width=300, height=200)
        text = " ".join(told)
        told.clear()
        assert f"last {opened:%Y-%m-%d %H:%M} {tz}" in text
        assert f"['{opened:%Y-%m-%d %H:%M}']" in text
        assert f"('{tz}',)" in text
        assert (" KST" in text) == (tz == "UTC")


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"tz": "Mars"}, "tz is 'Mars'; give a zone"),
        ({"width": 5}, "width is 5; take"),
        ({"height": 10**6}, "height is 1000000; take"),
        ({"dark": 1}, "dark is 1; take"),
        ({"title": 5}, "title is 5; give"),
    ],
)
def test_refused(named: dict[str, object], says: str) -> None:
    """What can't be meant is refused by name."""
    with pytest.raises(RequestError, match=says):
        charts.png(day(), **named)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="data is 5; give a ChartData"):
        charts.png(5)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="data is 5; give a ChartData"):
        charts.html(5)  # type: ignore[arg-type]


def test_without_matplotlib() -> None:
    """Where matplotlib is absent the page is made all the same, and the picture's error says what to install."""
    program = (
        "import sys; sys.path[:0] = ['tests']; sys.modules['matplotlib'] = None\n"
        "from tests.support.chartdata import chart_of, written\n"
        "from rxcandles import ExtraMissingError, charts\n"
        "data = chart_of(written(1), (0, 1))\n"
        "print(len(charts.html(data)) > 100_000)\n"
        "try:\n    charts.png(data)\n"
        "except ExtraMissingError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\nthis needs matplotlib: pip install 'rxcandles[chart]'\n"
