"""How objects look: one short line, and in a notebook a small table, a bar or the chart; names are text there."""

from __future__ import annotations

import sys
from datetime import datetime
from html.parser import HTMLParser
from types import ModuleType, SimpleNamespace
from typing import Any

import attrs
import pytest

import rxcandles
from rxcandles import (
    CandleDataProvider,
    ProgressBar,
    Request,
    RequestError,
    SlidingWindowLimiter,
    SqliteStore,
    charts,
    coverage_cells,
    overview,
)
from rxcandles.model.reports import CollectionProgress, CollectionSummary, FailedSpan
from rxcandles.model.timeframe import to_datetime
from tests.support.chartdata import chart_of, written
from tests.support.fakes import FakeExchange

START = 1_704_067_200
END = datetime(2024, 1, 2)
HOSTILE = "</td><script>alert(1)</script>\x1b[31m"


class Elements(HTMLParser):
    """The elements of a page, which are all closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.names.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data + " "


def html(shown: Any) -> Elements:
    found = Elements(shown._repr_html_())
    assert "script" not in found.names
    assert "\x1b" not in found.words
    return found


async def test_short_lines_and_tables() -> None:
    """Each object of a session says what it is in one line, without addresses in memory, and in a table."""
    exchange = FakeExchange([START + 60 * slot for slot in range(2000)])
    async with SqliteStore(":memory:") as store:
        provider = CandleDataProvider(store, exchange, SlidingWindowLimiter(10))
        assert repr(provider) == "<CandleDataProvider: :memory:, upbit, 10 requests a second>"
        assert repr(store) == "<SqliteStore: :memory:, upbit, open>"
        request = Request("KRW-BTC", "1m", to=END, end=datetime(2024, 1, 1))
        assert (
            repr(request) == "<Request: KRW-BTC 1m, from 2024-01-01 00:00:00 to 2024-01-02 00:00:00 UTC, newest first>"
        )
        plan = await provider.plan(request)
        provider.limiter.rate = None
        summary = await provider.collect(request)
        assert repr(summary).startswith(
            "<CollectionSummary: collected_count 1,440, db_records_count 1,440, time_range 2024"
        )
        stream = provider.stream_candles("KRW-BTC", "1m", 10, END)
        held, data = await overview(store), await charts.read_chart(store, "KRW-BTC", "1m")
        assert repr(data) == "<ChartData: KRW-BTC 1m, 1,440 candles, 2024-01-01 00:00:00 to 2024-01-02 00:00:00 UTC>"
        shown = [
            provider, store, request, plan, summary, stream, held[0], data, provider.collector, provider.limiter,
            provider.limiter.stats(), stream.stats(), charts.bars(data, charts.ladder("1m", 0, 10)[0]),
            rxcandles.Timer(), rxcandles.MemoryMonitor(), rxcandles.simulator.Simulator([]),
        ]  # fmt: skip
        for each in shown:
            assert len(repr(each)) <= 400, type(each)
            assert "\n" not in repr(each)
            assert "object at 0x" not in repr(each), type(each)
        for each in (provider, store, request, plan, summary, stream, held[0], held):
            assert "table" in html(each).names
        words = html(held).words
        assert "KRW-BTC 1m" in words
        assert f"{held[0].candles:,}" in words
        cells = await coverage_cells(store, "KRW-BTC", "1m", (START, START + 86_400), 10)
        assert len(html(cells).names) == 1 + 2 * 10
        await stream.aclose()
    assert "closed" in repr(store)


def test_names_are_text() -> None:
    """What comes from a file or an answer is shown as it is, and is no markup."""
    moment = to_datetime(START)
    failed = FailedSpan(moment, moment, HOSTILE)
    summary = CollectionSummary(1, 1, (moment, moment), 1, 0.1, 1, {}, failed_spans=(failed,) * 12)
    words = html(summary).words
    assert "</td><script>" in words
    assert "and 2 more" in words
    assert "failed_spans (12)" in repr(summary)
    data = chart_of(written(3)[::-1], (0, 3))
    frame = attrs.evolve(data, symbol=HOSTILE)._repr_html_()
    assert Elements(frame).names == ["iframe"]
    assert 'sandbox="allow-scripts"' in frame


def progress(held: int, total: int) -> CollectionProgress:
    moment = to_datetime(START)
    return CollectionProgress(1, 2, held, 83.4, (moment, moment), total)


def test_a_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook it shows itself once and is then renewed, a line a series; elsewhere it is only text."""
    bar = ProgressBar()
    bar(progress(5, 10))
    assert repr(bar) == "candles [##########..........] 5 of 10 candles, 83 s left"
    shown: list[object] = []
    updates: list[object] = []
    kernel = SimpleNamespace(kernel=object())
    modules = {"IPython": ModuleType("IPython"), "IPython.display": ModuleType("IPython.display")}
    modules["IPython"].get_ipython = lambda: kernel  # type: ignore[attr-defined]
    modules["IPython.display"].display = lambda each, display_id: (  # type: ignore[attr-defined]
        shown.append(each) or SimpleNamespace(update=updates.append)
    )
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("rxcandles.modes.notebook.EVERY", 0.0)
    bar = ProgressBar()
    requests = [Request(symbol, "1m", 10, END) for symbol in ("KRW-BTC", "KRW-ETH")]
    for held in (1, 5, 10):
        for request in requests:
            bar(request, progress(held, 10))
    assert (shown, len(updates)) == ([bar], 5)
    words = html(bar).words
    assert "KRW-BTC 1m" in words
    assert words.count("10 of 10 candles") == 2
    with pytest.raises(RequestError, match="give this as progress_callback"):
        bar(5)  # type: ignore[call-overload]
    kernel.kernel = None  # a shell in a terminal
    ProgressBar()(progress(5, 10))
    assert len(shown) == 1


def test_both_doors_take_it() -> None:
    """It is a callback of single collections and of several, with await and without."""
    bar = ProgressBar()
    with rxcandles.open(":memory:", FakeExchange([START + 60 * slot for slot in range(400)])) as candles:
        assert "KRW" not in repr(candles)
        assert "table" in html(candles).names
        candles.collect_candles_only("KRW-BTC", "1m", 50, END, progress_callback=bar)
        candles.collect_many([Request("KRW-ETH", "1m", 50, END)], bar)
        assert repr(candles.repository) == "<SyncRepository: :memory:, upbit>"
    assert [line.split(" [")[0] for line in repr(bar).splitlines()] == ["candles", "KRW-ETH 1m"]
    assert "IPython" not in sys.modules
