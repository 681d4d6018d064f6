"""The page, in a real browser, used as its reader uses it."""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from array import array
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import attrs
import pytest
from PIL import Image

from rxcandles import charts
from rxcandles.charts import ChartData, bars, ladder
from rxcandles.charts.strip import Counts
from rxcandles.model.timeframe import to_datetime
from tests.support.browser import Page, opened
from tests.support.chartdata import FIRST, chart_of, whole, written

ASSETS = Path(charts.__file__).parent / "assets"
NO_TRADE, MISSING, DOUBTED = range(600, 640), range(660, 720), range(620, 640)
"""Slots of ``gaps()`` that have no candle, in the middle of those that have."""


def gaps() -> ChartData:
    """2,000 minutes with two gaps, of which half of one is empty by one answer."""
    rows = [row for row in written(2000)[::-1] if (row.open_time - FIRST) // 60 not in {*NO_TRADE, *MISSING}]
    doubted = ((DOUBTED.start, DOUBTED.stop),)
    return chart_of(rows, (0, MISSING.start), (MISSING.stop, 2000), provisional=doubted)


@asynccontextmanager
async def shown(
    browser: str, folder: Path, data: ChartData, title: str | None = None, tz: str | None = None
) -> AsyncIterator[Page]:
    """The page of ``data``; in the end it has had no trouble and has asked for nothing but itself."""
    file = folder / "chart.html"
    file.write_text(charts.html(data, title, tz=tz), encoding="utf-8")
    async with opened(browser) as page:
        await page.open(file.as_uri())
        yield page
        assert page.trouble == []
        assert page.requests == [page.address]


async def place(page: Page, slot: float) -> float:
    """Where on the screen the middle of a slot is, seen at the finest level."""
    view, width = await page.evaluate("[rxcandles.view, rxcandles.width]")
    return float((slot + 0.5 - view["from"]) / (view["to"] - view["from"]) * width)


async def at(page: Page, slot: float) -> dict[str, float]:
    """What the crosshair says of a slot."""
    await page.mouse("Moved", await place(page, slot), 300)
    await page.drawn()
    return dict(await page.evaluate("rxcandles.crosshair"))


@pytest.mark.parametrize(
    "rows",
    [
        written(2000, traded=0.4),
        written(500, tick=lambda price: round(price, 8), at=0.00021),
        written(500, tick=lambda price: round(price, 2), at=1234.5),
        written(500, tick=lambda price: price / 3, at=100.0),
        written(50, tick=lambda price: whole(price) * 10**9, at=100.0),
        written(50, at=1e9)[::2] + written(50, at=5.0)[1::2],
        written(1),
    ],
    ids=["won", "satoshi", "cents", "no decimals", "huge", "leaps", "one"],
)
async def test_every_value_at_every_level(rows: list[object], browser: str, tmp_path: Path) -> None:
    """The page has each candle to the last digit, and makes the same bars of them as the library does."""
    data = chart_of(sorted(rows), (0, 2000))  # type: ignore[type-var, arg-type]
    levels = ladder(data.timeframe, data.first, data.slots)
    async with shown(browser, tmp_path, data) as page:
        state = await page.evaluate("rxcandles")
        assert (state["candles"], state["slots"]) == (len(data), data.slots)
        assert state["levels"] == [level.name for level in levels]
        for number, level in enumerate(levels):
            made, found = bars(data, level), await page.evaluate(f"rxcandles.bars({number})")
            keys = ("bar", "open", "high", "low", "close", "volume", "count")
            columns = (made.bar, made.open, made.high, made.low, made.close, made.volume, made.stored)
            for key, column in zip(keys, columns, strict=True):
                values = found[key] if isinstance(found[key], list) else list(found[key].values())
                assert values == (column if key != "volume" else pytest.approx(column, rel=1e-12)), key


async def test_shows_all_then_as_much_as_can_be_told_apart(browser: str, tmp_path: Path) -> None:
    """At first everything is seen, at a level whose bars are wide enough; nearer, each slot is a bar."""
    data = gaps()
    async with shown(browser, tmp_path, data) as page:
        state = await page.evaluate("rxcandles")
        view = state["view"]
        assert view["from"] == pytest.approx(2000 - view["to"])
        assert view["from"] <= -20
        level = next(each for each in ladder("1m", FIRST, 2000) if each.name == state["level"])
        assert state["width"] * level.factor / (view["to"] - view["from"]) >= 4
        assert state["visible"] == len(bars(data, level).bar)
        assert state["range"][0] == f"{to_datetime(FIRST - 60 * level.phase):%Y-%m-%d %H:%M}"
        await page.evaluate("rxcandles.show(100, 200)")
        await page.drawn()
        state = await page.evaluate("rxcandles")
        assert (state["level"], state["visible"]) == ("1m", 100)
        assert state["range"] == [f"{to_datetime(FIRST + 60 * slot):%Y-%m-%d %H:%M}" for slot in (100, 199)]


async def test_zooms_and_moves(browser: str, tmp_path: Path) -> None:
    """The wheel zooms around the cursor, dragging takes the chart along, keys do both, and 0 shows all again."""
    async with shown(browser, tmp_path, gaps()) as page:
        whole = await page.evaluate("rxcandles.view")
        await page.evaluate("rxcandles.show(900, 1100)")
        await page.drawn()
        view, width = await page.evaluate("[rxcandles.view, rxcandles.width]")
        x = 281  # the browser gives a mouse's place in whole pixels
        under = view["from"] + 200 * x / width - 0.5
        await page.mouse("Wheel", x, 200, deltaX=0, deltaY=-300)
        await page.drawn()
        view = await page.evaluate("rxcandles.view")
        assert view["to"] - view["from"] == pytest.approx(200 * math.exp(-0.6))
        assert await place(page, under) == pytest.approx(x, abs=0.01)
        await page.drag((x, 200), (x + 150, 230))
        assert await place(page, under) == pytest.approx(x + 150, abs=0.01)
        for key, times, moved in (("ArrowLeft", 1, -0.15), ("ArrowRight", 1, 0.15), ("+", 0.7, 0), ("-", 1 / 0.7, 0)):
            old = await page.evaluate("rxcandles.view")
            length = old["to"] - old["from"]
            await page.press(key)
            new = await page.evaluate("rxcandles.view")
            assert new["to"] - new["from"] == pytest.approx(length * times)
            assert (new["from"] + new["to"] - old["from"] - old["to"]) / 2 == pytest.approx(moved * length, abs=1e-6)
        await page.press("0")
        again = await page.evaluate("rxcandles.view")  # the scale of prices may have become as wide as they need
        assert (again["from"], again["to"]) == pytest.approx((whole["from"], whole["to"]), abs=10)
        await page.press("Home")
        assert (await page.evaluate("rxcandles.view"))["from"] == 0


async def test_the_crosshair_says_what_is_stored(browser: str, tmp_path: Path) -> None:
    """Wherever it is after any move, it gives the values of the candle under it, and tells the kinds of gap."""
    data = gaps()
    index = {slot: at for at, slot in enumerate(data.slot)}
    async with shown(browser, tmp_path, data) as page:
        for middle in (50, 630, 1950):
            await page.evaluate(f"rxcandles.show({middle - 60}, {middle + 60})")
            await page.drawn()
            for slot in (middle - 25, middle, middle + 49):
                found = await at(page, slot)
                text = await page.evaluate("document.getElementById('values').textContent")
                assert found["time"] == FIRST + 60 * slot
                assert f"{to_datetime(FIRST + 60 * slot):%Y-%m-%d %H:%M}" in text
                if slot in index:
                    values = [found[name] for name in ("open", "high", "low", "close", "volume")]
                    columns = (data.open, data.high, data.low, data.close, data.volume)
                    assert values == [column[index[slot]] for column in columns]
                    assert f"C {data.close[index[slot]]:,.0f} " in text
                else:
                    assert "open" not in found
                    assert found["missing"] == (slot in MISSING)
                    kinds = {DOUBTED: "empty by one answer", MISSING: "missing", NO_TRADE: "no trade"}
                    assert text.endswith(next(kind for slots, kind in kinds.items() if slot in slots))


def colours(picture: Image.Image, x: float, rows: range) -> set[tuple[int, ...]]:
    """The colours in a column of the screen."""
    return {picture.getpixel((round(x), y)) for y in rows}  # type: ignore[misc]


async def test_gaps_are_gaps(browser: str, tmp_path: Path) -> None:
    """Slots without a candle leave their place empty; the strip below tells of what kind they are."""
    async with shown(browser, tmp_path, gaps()) as page:
        await page.evaluate("rxcandles.show(590, 730)")
        await page.drawn()
        picture = Image.open(io.BytesIO(await page.picture())).convert("RGB")
        up, down = (0x0F, 0x8F, 0x72), (0xCF, 0x3C, 0x4F)
        for slot in (592, 598, 605, 630, 638, 645, 655, 665, 690, 718, 722, 728):
            x = await place(page, slot)
            seen = colours(picture, x, range(40, 470))
            assert bool(seen & {up, down}) == (slot not in NO_TRADE and slot not in MISSING), slot
            strip = {NO_TRADE: (0xE0, 0xB0, 0x4C), MISSING: (0x94, 0x67, 0xB5), None: (0x7A, 0x9C, 0xC6)}
            strip[DOUBTED] = (0xE3, 0x8F, 0xB5)
            kind = next((each for each in (DOUBTED, NO_TRADE, MISSING) if slot in each), None)
            assert strip[kind] in colours(picture, x, range(596, 614)), slot


STRIP = {
    "stored": (0x7A, 0x9C, 0xC6), "imported": (0x7D, 0x84, 0x8D), "no-trade": (0xE0, 0xB0, 0x4C),
    "provisional": (0xE3, 0x8F, 0xB5), "missing": (0x94, 0x67, 0xB5), "impossible": (0xE8, 0x59, 0x0C),
}  # fmt: skip


async def test_a_strip_is_true_at_any_width(browser: str, tmp_path: Path) -> None:
    """At five widths and three device ratios the colours of the strip have the areas of what they stand for.

    Its columns meet, nothing of it is hidden or cut, and all of the page is in the window.
    """
    rows = [
        row
        for row in written(20_000, traded=0.998)[::-1]
        if (row.open_time - FIRST) // 60 not in (9000, 9001, 9002, 9100, *range(12_000, 12_200))
    ]
    data = chart_of(rows, (0, 9000), (9003, 12_000), (12_200, 15_000), (17_000, 20_000), provisional=((9100, 9101),))
    data = attrs.evolve(data, imported=array("I", [at for at, slot in enumerate(data.slot) if 15_000 <= slot < 17_000]))
    data = attrs.evolve(data, impossible=((12_050, 12_150),))
    truth = Counts(data).between(0, 20_000)
    (tmp_path / "chart.html").write_text(charts.html(data), encoding="utf-8")
    async with opened(browser) as page:
        await page.open((tmp_path / "chart.html").as_uri(), width=400, height=640)
        for width in (400, 320, 768, 1280, 1920):
            for scale in (1, 1.5, 2):
                await page.resize(width, 640, scale)
                await page.press("0")
                state = await page.evaluate("rxcandles")
                assert list(state["shares"].values()) == pytest.approx([each / 20_000 for each in truth])
                left, top, right, bottom = (scale * each for each in await page.evaluate("rxcandles.strip()"))
                assert bottom - top >= 16 * scale
                picture = Image.open(io.BytesIO(await page.picture())).convert("RGB")
                strip = picture.crop((round(left), round(top), round(right), round(bottom)))
                found = Counter(strip.get_flattened_data())
                area = sum(found[colour] for colour in STRIP.values())
                for kind, colour in STRIP.items():
                    share = truth[list(STRIP).index(kind)] / 20_000
                    assert found[colour] / area == pytest.approx(share, abs=0.001), (width, scale, kind)
                middle = strip.crop((60, strip.height // 2, strip.width - 60, strip.height // 2 + 1))
                assert set(middle.get_flattened_data()) <= set(STRIP.values())
                size = await page.evaluate(
                    "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
                )
                assert size == [width, 640]
                view = state["view"]
                level = next(each for each in ladder("1m", FIRST, 20_000) if each.name == state["level"])
                assert state["width"] * level.factor / (view["to"] - view["from"]) >= 4
        assert page.trouble == []


async def test_the_last_candle_and_korean_time(browser: str, tmp_path: Path) -> None:
    """Without a cursor the last candle's values are shown, with its time there and in Korea."""
    data = gaps()
    async with shown(browser, tmp_path, data) as page:
        text = await page.evaluate("document.getElementById('values').textContent")
        last = FIRST + 60 * 1999
        assert text.startswith(f"last {to_datetime(last):%Y-%m-%d %H:%M} UTC, ")
        assert f"{to_datetime(last + 9 * 3600):%H:%M} KST" in text
        assert f"C {data.close[-1]:,.0f} " in text


async def test_another_zone(browser: str, tmp_path: Path) -> None:
    """In a zone that is given the candle is told there too, by the clock of that day."""
    data = gaps()
    last = to_datetime(FIRST + 60 * 1999)
    for tz, name in (("America/New_York", "America/New_York"), ("KST", "Asia/Seoul")):
        async with shown(browser, tmp_path, data, tz=tz) as page:
            text = await page.evaluate("document.getElementById('values').textContent")
            there = last.astimezone(ZoneInfo(name))
            assert text.startswith(f"last {last:%Y-%m-%d %H:%M} UTC, {there:%Y-%m-%d %H:%M} {name}")


async def test_light_and_dark(browser: str, tmp_path: Path) -> None:
    """The page follows the reader's colour scheme, also when it changes."""
    async with shown(browser, tmp_path, gaps()) as page:
        seen = []
        for dark in (False, True):
            await page.theme(dark)
            await page.drawn()
            picture = Image.open(io.BytesIO(await page.picture())).convert("RGB")
            seen.append({picture.getpixel(spot) for spot in ((600, 12), (3, 60), (600, 660))})
        assert seen == [{(255, 255, 255)}, {(0x14, 0x17, 0x1C)}]


HOSTILE = "</title></script><script>window.hacked=1</script><img src=x onerror='window.hacked=1'>&amp;\"${`\u2028"


async def test_a_title_is_text(browser: str, tmp_path: Path) -> None:
    """Whatever a title is, it is shown as it is and never runs."""
    async with shown(browser, tmp_path, gaps(), HOSTILE) as page:
        assert await page.evaluate("window.hacked") is None
        assert await page.evaluate("document.querySelector('h1').textContent") == HOSTILE
        assert await page.evaluate("document.images.length") == 0


async def test_nothing_leaves_the_page(browser: str, tmp_path: Path) -> None:
    """Its own policy keeps it from asking for anything, and from running anything else."""
    async with shown(browser, tmp_path, gaps()) as page:
        tried = "fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')"
        assert await page.evaluate(tried) == "refused"
        await page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hacked=1'}))"
        )
        assert await page.evaluate("window.hacked") is None
        assert len(page.trouble) >= 2
        assert all("Content Security Policy" in each for each in page.trouble)
        page.trouble.clear()
        page.requests[1:] = [each for each in page.requests[1:] if "127.0.0.1" not in each]


def test_the_page_names_no_other_address() -> None:
    """All that is in it is in it: no element loads anything."""
    text = charts.html(gaps())
    assert (
        re.findall(r"<(?:link|img|iframe|script[^>]* src)\b", re.sub(r"<script>.*?</script>", "", text, flags=re.S))
        == []
    )
    meta = json.loads(re.search(r'id="meta">(.*?)</script>', text)[1])  # type: ignore[index]
    assert meta["candles"] == len(gaps())


def test_the_library_is_the_one_that_is_named() -> None:
    """The file that is not ours is, to the byte, the one that its note describes, with its licence beside it."""
    note = (ASSETS / "README.md").read_text(encoding="utf-8")
    content = (ASSETS / "lightweight-charts.js").read_bytes()
    assert hashlib.sha256(content).hexdigest() in note
    version = re.search(rb"Lightweight Charts\S* v([\d.]+)", content)
    assert version is not None
    assert note.count(version[1].decode()) == 2
    assert "Apache License" in (ASSETS / "lightweight-charts.LICENSE").read_text(encoding="utf-8")
    notice = (ASSETS / "lightweight-charts.NOTICE").read_text(encoding="utf-8")
    assert notice.splitlines()[0] in charts.html(gaps())
