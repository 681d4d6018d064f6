"""The page in a real browser, beside a feed whose updates the test says."""

from __future__ import annotations

import io
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
from PIL import Image

from rxcandles import Row, SqliteStore
from rxcandles.model.timeframe import Timeframe
from rxcandles.serve import PageServer, serve_page
from tests.support.browser import Page, opened
from tests.support.fakefeed import FakeFeed, row_at

BTC = "KRW-BTC"
NOW = int(time.time()) // 60 * 60
"""The slot that is open while the tests run, or the one before."""
DOWN = (0xCF, 0x3C, 0x4F)


def minutes(start: int, stop: int) -> list[Row]:
    """Candles of the minutes from ``NOW`` on, oldest first."""
    return [row_at(NOW + 60 * at, 1000.0 + at) for at in range(start, stop)]


@attrs.define
class Watched:
    """A feed, its page in a browser, and the server of it."""

    feed: FakeFeed
    page: Page
    server: PageServer

    async def market(self, symbol: str = BTC) -> dict[str, Any]:
        """What the page knows of a market."""
        return dict(await self.page.evaluate(f"rxcandles.market({symbol!r})"))

    async def until(self, condition: str, symbol: str = BTC) -> dict[str, Any]:
        """Wait until a condition about ``it``, the market, is true and drawn, and return the market."""
        await self.page.until(f"((it) => it && ({condition}))(rxcandles.market({symbol!r})) && rxcandles.drawn()")
        await self.page.drawn()
        return await self.market(symbol)

    async def text(self, name: str) -> str:
        """The text of an element that is seen; empty if it is hidden."""
        return str(await self.page.evaluate(f"document.getElementById({name!r}).innerText"))

    async def seen(self) -> Image.Image:
        """What is on the screen."""
        return Image.open(io.BytesIO(await self.page.picture())).convert("RGB")


@asynccontextmanager
async def watched(browser: str, *symbols: str) -> AsyncIterator[Watched]:
    """The page of some markets with an hour of candles each; in the end it has asked for nothing but itself."""
    async with SqliteStore(":memory:") as store:
        for symbol in symbols:
            await store.write(symbol, Timeframe.of("1m"), minutes(-60, 0)[::-1], (NOW - 3600, NOW))
        feed = FakeFeed(store, symbols)
        async with serve_page(feed, store, port=0) as server, opened(browser) as page:
            await page.open(server.url, ready="rxcandles.drawn()")
            yield Watched(feed, page, server)
            assert [each for each in page.trouble if "ERR_CONNECTION_REFUSED" not in each] == []
            assert {each.split("?")[0] for each in page.requests} == {server.url, f"{server.url}events"}


async def test_a_candle_closes_while_the_page_is_open(browser: str) -> None:
    """It appears, after the forming one that was hollow in its place, and the strip of coverage grows by its slot."""
    async with watched(browser, BTC) as here:
        before = await here.until("it.times.length === 60")
        assert before["times"] == [row.open_time for row in minutes(-60, 0)]
        assert before["proven"] == [[0, 60]]
        here.feed.form(BTC, row_at(NOW, 2000.0))
        formed = await here.until("it.hollow")
        assert (formed["hollow"]["slot"], formed["hollow"]["close"], len(formed["times"])) == (60, 1800.0, 60)
        x = await here.page.evaluate(
            "((60.5 - rxcandles.view.from) / (rxcandles.view.to - rxcandles.view.from)) * rxcandles.width"
        )
        top = await here.page.evaluate("document.getElementById('chart').getBoundingClientRect().top")
        picture = await here.seen()
        rows = range(round(top), round(top) + 400)
        middle = [picture.getpixel((round(x), y)) for y in rows]
        edge = [[picture.getpixel((round(x) + dx, y)) for y in rows].count(DOWN) for dx in range(-9, 10)]
        assert max(edge) > 20, "its outline is drawn"
        assert middle.count(DOWN) < 10, "it is hollow"
        assert "not closed yet" in await here.text("values")
        await here.feed.prove(BTC, NOW, NOW + 60, row_at(NOW, 2000.0, 3.0))
        closed = await here.until("it.times.length === 61")
        assert (closed["hollow"], closed["times"][-1], closed["proven"]) == (None, NOW, [[0, 61]])
        picture = await here.seen()
        assert [picture.getpixel((round(x) - 6, y)) for y in rows].count(DOWN) > 20, "it is filled"


async def test_a_revised_candle_replaces_the_old_one(browser: str) -> None:
    """So does one that was removed, and one that was not there."""
    async with watched(browser, BTC) as here:
        await here.until("it.times.length === 60")
        old = minutes(-60, 0)
        await here.feed.revise(BTC, old[10], old[10]._replace(close=7.0, low=7.0))
        assert (await here.until("it.close[10] === 7"))["times"] == [row.open_time for row in old]
        await here.feed.revise(BTC, old[20], None)
        gone = await here.until("it.times.length === 59")
        assert old[20].open_time not in gone["times"]
        assert gone["proven"] == [[0, 60]]
        await here.feed.revise(BTC, None, old[20])
        assert (await here.until("it.times.length === 60"))["close"][20] == old[20].close


async def test_a_disconnect_shows_and_heals(browser: str) -> None:
    """When the server goes away the page says so at once; when it is back, what happened meanwhile is there."""
    async with watched(browser, BTC) as here:
        await here.until("it.times.length === 60")
        assert await here.text("banner") == ""
        port = int(here.server.url.split(":")[2].strip("/"))
        await here.server.__aexit__(None, None, None)
        await here.page.until("!document.getElementById('banner').hidden")
        assert (await here.text("banner")).startswith("Not connected since ")
        assert (await here.text("going")).startswith("not connected · ")
        await here.feed.prove(BTC, NOW, NOW + 60, *minutes(0, 1))
        async with serve_page(here.feed, here.feed.store, port=port):
            assert (await here.until("it.times.length === 61"))["times"][-1] == NOW
            assert await here.text("banner") == ""
            assert (await here.text("going")).startswith("live · ")


async def test_a_state_and_its_reason_are_told(browser: str) -> None:
    """Stalled is said at once, with the reason and how long ago everything was known."""
    async with watched(browser, BTC) as here:
        await here.until("it.state === 'live'")
        assert (await here.text("going")).startswith("live · all known until ")
        here.feed.go(BTC, "stalled", "503: maintenance")
        await here.until("it.state === 'stalled'")
        going = await here.text("going")
        assert going.startswith("stalled · all known until ")
        assert going.endswith(" ago · 503: maintenance")


async def test_a_reload_loses_nothing(browser: str) -> None:
    """A page that is opened again has what is stored, then what comes."""
    async with watched(browser, BTC, "KRW-ETH") as here:
        await here.page.evaluate("location.hash = 'KRW-ETH'")
        await here.until("it.times.length === 60", "KRW-ETH")
        await here.feed.prove("KRW-ETH", NOW, NOW + 120, *minutes(0, 2))
        await here.page.reload("rxcandles.drawn()")
        await here.feed.prove("KRW-ETH", NOW + 120, NOW + 180, *minutes(2, 3))
        found = await here.until("it.times.length === 63", "KRW-ETH")
        assert found["times"] == [row.open_time for row in minutes(-60, 3)]
        assert await here.text("name") == "KRW-ETH 1m", "the market is still the one that was chosen"


async def test_twenty_markets(browser: str) -> None:
    """All are in the list, those that are seen are drawn, and an update changes only its own."""
    symbols = [f"KRW-M{number:02}" for number in range(19)] + ["<script>alert(1)</script>"]
    async with SqliteStore(":memory:") as store:
        for symbol in symbols[:19]:
            await store.write(symbol, Timeframe.of("1m"), minutes(-60, 0)[::-1], (NOW - 3600, NOW))
        feed = FakeFeed(store, symbols)
        async with serve_page(feed, store, port=0) as server, opened(browser) as page:
            await page.open(server.url, height=400, ready="rxcandles.drawn() && rxcandles.market('KRW-M18')")
            cards = "[...document.querySelectorAll('.card')]"
            names = await page.evaluate(f"{cards}.map((card) => card.querySelector('b').textContent)")
            assert names == symbols
            widths = f"{cards}.map((card) => card.querySelector('canvas').width)"
            drawn = await page.evaluate(widths)
            await feed.prove("KRW-M03", NOW, NOW + 60, *minutes(0, 1))
            await page.until("rxcandles.market('KRW-M03').times.length === 61")
            assert len(await page.evaluate("rxcandles.market('KRW-M04').times")) == 60
            await page.evaluate("document.getElementById('cards').scrollTo(0, 1e6)")
            await page.drawn()
            await page.until(f"{widths}[0] === 0")
            later = await page.evaluate(widths)
            assert (drawn[0] > 0, drawn[18], later[0], later[18] > 0) == (True, 0, 0, True)
            assert page.trouble == []
