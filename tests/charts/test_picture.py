"""The PNG for reports."""

from __future__ import annotations

import io
import subprocess
import sys
from collections import Counter

import pytest
from chartdata import FIRST, chart_of, written
from PIL import Image

from rxcandles import RequestError, charts
from rxcandles.charts import ChartData

VIOLET, AMBER, BLUE = (0x94, 0x67, 0xB5), (0xE0, 0xB0, 0x4C), (0x7A, 0x9C, 0xC6)
PINK = (0xE3, 0x8F, 0xB5)


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


def test_one_candle_and_odd_titles() -> None:
    """A single candle is a picture too, and a title may hold what elsewhere begins a formula."""
    assert charts.png(chart_of(written(1), (0, 1)), r"$x_{1$ \frac{").startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("named", "says"),
    [
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
        "from chartdata import chart_of, written\n"
        "from rxcandles import ExtraMissingError, charts\n"
        "data = chart_of(written(1), (0, 1))\n"
        "print(len(charts.html(data)) > 100_000)\n"
        "try:\n    charts.png(data)\n"
        "except ExtraMissingError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\nthis needs matplotlib: pip install 'rxcandles[chart]'\n"
