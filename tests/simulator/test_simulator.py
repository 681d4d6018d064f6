"""The simulated exchange over HTTP: every rule of the exchange that a client may meet."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import itertools
import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from rxcandles.errors import RequestError
from rxcandles.simulator import DEFAULT_MARKETS, Logged, Market, Simulator, faults, serve

NOW = 1_788_220_815  # 2026-09-01T00:00:15Z
KINDS = ("seconds", "minutes/1", "minutes/240", "days", "weeks", "months", "years")


def simulator(**options: Any) -> Simulator:
    """A simulator whose clock stands still and that limits nothing unless asked to."""
    return Simulator(**{"rate": None, "clock": lambda: NOW, **options})


def message(name: object, text: str) -> bytes:
    return json.dumps({"error": {"name": name, "message": text}}, separators=(",", ":")).encode()


async def test_newest_first(ask: Any) -> None:
    """Candles come newest first, strictly descending; the one that opens at ``to`` is not among them."""
    async with simulator() as sim:
        for kind in KINDS:
            reply = await ask(sim, kind, market="KRW-ETH", to="2026-09-01T00:00:00Z", count=5)
            assert 5 == len(reply.opens)
            assert sorted(set(reply.opens), reverse=True) == reply.opens
            assert "2026-09-01T00:00:00" > reply.opens[0]
        assert ["2026-08-31T23:59:00"] == (
            await ask(sim, "minutes/1", market="KRW-ETH", to="2026-09-01T00:00:00Z")
        ).opens
        assert ["2026-09-01T00:00:00"] == (
            await ask(sim, "minutes/1", market="KRW-ETH", to="2026-09-01T00:00:01Z")
        ).opens


async def test_pages_join(ask: Any) -> None:
    """With ``to`` at the oldest candle of the page before, pages join without a gap or an overlap."""
    async with simulator() as sim:
        to, opens = "2026-09-01T00:00:00Z", []
        for _ in range(5):
            reply = await ask(sim, "minutes/1", market="KRW-DOGE", to=to, count=200)
            opens += reply.opens
            to = f"{reply.opens[-1]}Z"
        start = int(datetime.fromisoformat(to).timestamp())
        truth = sim.market("KRW-DOGE").rows("1m", start, NOW - 15)
        assert [f"{datetime.fromtimestamp(row.open_time, UTC):%Y-%m-%dT%H:%M:%S}" for row in truth[::-1]] == opens


@pytest.mark.parametrize(
    "to",
    [
        "2026-08-31T12:00:00Z",
        "2026-08-31T12:00:00",
        "2026-08-31 12:00:00",
        "2026-08-31T21:00:00+09:00",
        "2026-08-31T12:00:00.000Z",
    ],
)
async def test_forms_of_to(to: str, ask: Any) -> None:
    """All five forms of ``to`` mean the same moment; without a zone it is UTC."""
    async with simulator() as sim:
        assert ["2026-08-31T11:00:00"] == (await ask(sim, "minutes/60", market="KRW-ETH", to=to)).opens


@pytest.mark.parametrize(
    "to", ["", "now", "2026-08-31", "2026-13-01T00:00:00Z", "2026-08-31T25:00:00Z", "20260831T120000Z", "1788220800"]
)
async def test_other_forms_of_to(to: str, ask: Any) -> None:
    """Any other ``to`` is an invalid parameter."""
    async with simulator() as sim:
        reply = await ask(sim, "minutes/60", market="KRW-ETH", to=to)
        assert (400, message(400, "Invalid parameter. Check the given value!")) == (reply.status, reply.body)


@pytest.mark.parametrize("to", ["2026-08-31T21%3A00%3A00+09%3A00", "2026-08-31T12:00:00Z"])
async def test_to_has_to_be_encoded(to: str, ask: Any) -> None:
    """A plus or a colon that is not percent-encoded makes ``to`` invalid."""
    async with simulator() as sim:
        assert 400 == (await ask(sim, f"minutes/60?market=KRW-ETH&to={to}")).status
        assert 200 == (await ask(sim, "minutes/60?market=KRW-ETH&to=2026-08-31+12%3A00%3A00")).status


async def test_no_to_and_future_to(ask: Any) -> None:
    """Without ``to``, or with one after now, the newest candle is that of the running slot, still growing."""
    moment = itertools.count(NOW)
    async with simulator(clock=lambda: next(moment)) as sim:
        first = await ask(sim, "minutes/1", market="KRW-ETH")
        later = await ask(sim, "minutes/1", market="KRW-ETH", to="2030-01-01T00:00:00Z")
        assert ["2026-09-01T00:00:00"] == first.opens == later.opens
        assert first.candles[0]["candle_acc_trade_volume"] < later.candles[0]["candle_acc_trade_volume"]


async def test_count(ask: Any) -> None:
    """``count`` is 1 by default, cut to 200 without a word, and must be a number."""
    async with simulator() as sim:
        sizes = [
            len((await ask(sim, "days", market="KRW-ETH", **some)).candles)
            for some in ({}, {"count": 7}, {"count": 1000})
        ]
        assert [1, 7, 200] == sizes
        for text in ("abc", "1.5", "", "1_0", "99999999999"):
            reply = await ask(sim, "days", market="KRW-ETH", count=text)
            assert (400, message(400, "Type mismatch error. Check the parameters type!")) == (reply.status, reply.body)
        for text in ("0", "-1"):
            assert 400 == (await ask(sim, "days", market="KRW-ETH", count=text)).status


async def test_count_counts_candles(ask: Any) -> None:
    """A page of a thin market holds as many candles as asked for, however far back they lie."""
    async with simulator() as sim:
        reply = await ask(sim, "minutes/1", market="KRW-RARE", count=200)
        assert 200 == len(reply.candles)
        assert "2026-08-28" > reply.opens[-1]


@pytest.mark.parametrize("market", ["KRW-NONE", "krw-eth", "KRW-BTC,KRW-ETH"])
async def test_unknown_market(market: str, ask: Any) -> None:
    """An unknown market, one in lower case and two at once have the same answer."""
    async with simulator() as sim:
        reply = await ask(sim, "minutes/1", market=market)
        assert (404, message(404, "Code not found")) == (reply.status, reply.body)


async def test_market_missing(ask: Any) -> None:
    """A request without a market is refused."""
    async with simulator() as sim:
        for query in ({}, {"market": ""}):
            reply = await ask(sim, "days", **query)
            text = "Missing request parameter error. Check the required parameters!"
            assert (400, message(400, text)) == (reply.status, reply.body)


@pytest.mark.parametrize("unit", [1, 3, 5, 10, 15, 30, 60, 240])
async def test_units(unit: int, ask: Any) -> None:
    """The eight minute units are served and named in their candles."""
    async with simulator() as sim:
        reply = await ask(sim, f"minutes/{unit}", market="KRW-ETH", count=2)
        assert [unit, unit] == [candle["unit"] for candle in reply.candles]


@pytest.mark.parametrize("unit", [0, 2, 120, 480])
async def test_other_units(unit: int, ask: Any) -> None:
    """Any other unit is not valid."""
    async with simulator() as sim:
        reply = await ask(sim, f"minutes/{unit}", market="KRW-ETH")
        assert (400, message(400, "specified unit is not valid.")) == (reply.status, reply.body)


async def test_unit_that_is_no_number(ask: Any) -> None:
    """A unit that is no number is of the wrong type."""
    async with simulator() as sim:
        reply = await ask(sim, "minutes/one", market="KRW-ETH")
        assert (400, message(400, "Type mismatch error. Check the parameters type!")) == (reply.status, reply.body)


@pytest.mark.parametrize(
    "path", ["/", "/v1/candles/hours", "/v1/candles/minutes", "/v1/candles/days/1", "/v2/market/all"]
)
async def test_unknown_path(path: str, ask: Any) -> None:
    """The gateway answers an unknown path: its error has a string for a name, and no header of the exchange."""
    async with simulator(rate=10) as sim:
        reply = await ask(sim, path)
        assert (404, message("not_found", "no Route matched with those values")) == (reply.status, reply.body)
        assert "Remaining-Req" not in reply.headers
        assert not sim.log


async def test_recorded_errors(recorded_text: Callable[[str], str], ask: Any) -> None:
    """Every error body that was recorded comes back byte for byte, with its status."""
    asked = {
        "Code not found": "minutes/1?market=KRW-NONE",
        "specified unit": "minutes/120?market=KRW-ETH",
        "Missing": "minutes/1",
        "Type mismatch": "minutes/1?market=KRW-ETH&count=abc",
        "Invalid": "minutes/1?market=KRW-ETH&to=soon",
        "no Route": "/v1/nothing",
    }
    lines = [json.loads(line) for line in recorded_text("upbit_error_bodies.jsonl").splitlines()]
    async with simulator() as sim:
        for part, path in asked.items():
            [line] = [line for line in lines if part in (line["body"] or "")]
            reply = await ask(sim, path)
            assert (line["status"], line["body"]) == (reply.status, reply.body.decode())


async def test_before_listing_and_after_delisting(ask: Any) -> None:
    """Before its listing a market has an empty page; after its delisting, and before its time, it is unknown."""
    markets = [Market("KRW-OLD", delisted=NOW), Market("KRW-SOON", listed=NOW + 1), Market("KRW-X", listed=NOW - 3600)]
    async with simulator(markets=markets) as sim:
        reply = await ask(sim, "minutes/1", market="KRW-X", to="2026-08-31T22:00:00Z", count=200)
        assert (200, b"[]") == (reply.status, reply.body)
        assert [404, 404] == [(await ask(sim, "days", market=market)).status for market in ("KRW-OLD", "KRW-SOON")]
        assert [{"market": "KRW-X", "korean_name": "KRW-X", "english_name": "KRW-X"}] == (
            await ask(sim, "/v1/market/all")
        ).candles


async def test_seconds_are_kept_for_90_days(ask: Any) -> None:
    """1s candles of long ago are gone, with the same empty page as before a listing."""
    async with simulator() as sim:
        assert b"[]" == (await ask(sim, "seconds", market="KRW-ETH", to="2026-06-01T00:00:00Z", count=200)).body


async def test_recorded_headers(recorded_text: Callable[[str], str], ask: Any) -> None:
    """The headers are those that were recorded, but for the amounts; the ETag is the body's MD5."""
    lines = recorded_text("upbit_raw_headers_*.txt").split("\n")
    known = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    async with simulator(rate=10) as sim:
        reply = await ask(sim, "days", market="KRW-ETH", count=2)
        changing = {"date", "etag", "content-length"}
        assert {name: value for name, value in known.items() if name not in changing} == {
            name: reply.headers.get(name) for name in known if name not in changing
        }
        assert "Tue, 01 Sep 2026 00:00:15 GMT" == reply.headers["Date"]
        assert f'W/"0{hashlib.md5(reply.body).hexdigest()}"' == reply.headers["ETag"]
        assert str(len(reply.body)) == reply.headers["Content-Length"]


async def test_date_follows_the_clock(ask: Any) -> None:
    """The server's clock is the one given, right or wrong, and decides what there is."""
    async with simulator(clock=lambda: 1_600_000_000.0) as sim:
        reply = await ask(sim, "minutes/1", market="KRW-ETH")
        assert "Sun, 13 Sep 2020 12:26:40 GMT" == reply.headers["Date"]
        assert ["2020-09-13T12:26:00"] == reply.opens


async def test_gzip(ask: Any) -> None:
    """With ``gzip`` a client that accepts it gets a compressed body in chunks, any other a plain one."""
    async with simulator(gzip=True) as sim:
        query = {"market": "KRW-ETH", "to": "2026-08-31T00:00:00Z", "count": 200}
        packed = await ask(sim, "days", headers={"Accept-Encoding": "gzip, deflate"}, **query)
        plain = await ask(sim, "days", headers={"Accept-Encoding": "identity"}, **query)
        assert ("gzip", "chunked") == (packed.headers["Content-Encoding"], packed.headers["Transfer-Encoding"])
        assert "Content-Encoding" not in plain.headers
        assert plain.body == gzip.decompress(packed.body)
        assert plain.headers["ETag"] == packed.headers["ETag"]


async def test_converted_price(ask: Any) -> None:
    """Day candles give the price in KRW on request, null in a KRW market; only KRW can be asked for."""
    async with simulator() as sim:
        for spelling in ("converting_price_unit", "convertingPriceUnit"):
            reply = await ask(sim, "days", market="KRW-ETH", count=2, **{spelling: "KRW"})
            assert [None, None] == [candle["converted_trade_price"] for candle in reply.candles]
            assert "converted_trade_price" == list(reply.candles[0])[-1]
        [candle] = (await ask(sim, "days", market="BTC-PEPE", converting_price_unit="KRW")).candles
        assert candle["trade_price"] * 100_000_000 == pytest.approx(candle["converted_trade_price"])
        assert 400 == (await ask(sim, "days", market="KRW-ETH", converting_price_unit="USD")).status
        assert (
            "converted_trade_price"
            not in (await ask(sim, "weeks", market="KRW-ETH", converting_price_unit="KRW")).candles[0]
        )


async def test_market_list(ask: Any) -> None:
    """The market list has codes and names, and the warnings on request."""
    async with simulator() as sim:
        reply = await ask(sim, "/v1/market/all")
        assert reply.body.decode().startswith(
            '[{"market":"KRW-BTC","korean_name":"비트코인","english_name":"Bitcoin"},'
        )
        listed = [market.symbol for market in DEFAULT_MARKETS if market.listed <= NOW]
        assert listed == [market["market"] for market in reply.candles]
        assert 7 == len(listed)
        for spelling in ("is_details", "isDetails"):
            event = (await ask(sim, "/v1/market/all", **{spelling: "true"})).candles[0]["market_event"]
            assert (False, 5) == (event["warning"], len(event["caution"]))


async def test_form_over_http(recorded_text: Callable[[str], str], ask: Any, form: Callable[[str], object]) -> None:
    """What comes over HTTP has the form of the recorded body."""
    body = recorded_text("upbit_raw_bytes_minutes_*.json")
    async with simulator() as sim:
        reply = await ask(sim, "minutes/1", market="KRW-BTC", to="2026-08-31T00:00:00Z")
        assert form(body) == form(reply.body.decode())


async def test_burst(ask: Any) -> None:
    """Of a burst the first ten pass, whatever their kind; the rest is refused in plain text, without a Retry-After."""
    async with simulator(rate=10) as sim:
        passed = [(await ask(sim, kind, market="KRW-ETH")) for kind in (*KINDS, "days", "days", "days")]
        assert [f"group=candles; min=600; sec={left}" for left in range(9, -1, -1)] == [
            reply.headers["Remaining-Req"] for reply in passed
        ]
        refused = await ask(sim, "days", market="KRW-ETH")
        assert (429, b"Too many API requests.") == (refused.status, refused.body)
        assert refused.headers["Content-Type"].startswith("text/plain")
        assert "Retry-After" not in refused.headers
        assert "group=market; min=600; sec=9" == (await ask(sim, "/v1/market/all")).headers["Remaining-Req"]
        assert {200: 11, 429: 1} == sim.stats.by_status
        assert 429 == sim.log[-1].status


async def test_block(ask: Any) -> None:
    """Who goes on after the refusals is blocked from everything, and told for how long."""
    async with simulator(rate=1, ban_after=2) as sim:
        statuses = [(await ask(sim, "days", market="KRW-ETH")).status for _ in range(4)]
        assert [200, 429, 429, 418] == statuses
        reply = await ask(sim, "/v1/market/all")
        assert 418 == reply.status
        assert re.fullmatch(rb'\{"error":\{"name":418,"message":"[^"]* (60|59) seconds\."\}\}', reply.body)


async def test_origin(ask: Any) -> None:
    """A request with an Origin header is one of a group that has one request in ten seconds."""
    async with simulator(rate=10) as sim:
        replies = [await ask(sim, "days", market="KRW-ETH", headers={"Origin": "https://a.example"}) for _ in range(2)]
        assert [200, 429] == [reply.status for reply in replies]
        assert "group=origin; min=6; sec=0" == replies[0].headers["Remaining-Req"]


async def test_log_and_stats(ask: Any) -> None:
    """The log tells of each request for candles what was asked and answered; both it and the counts can start anew."""
    async with simulator() as sim:
        await ask(sim, "minutes/3", market="KRW-ETH", to="2026-08-31T00:00:00.5Z", count=500)
        await ask(sim, "days", market="KRW-NONE")
        await ask(sim, "days")
        await ask(sim, "/v1/market/all")
        assert [
            Logged(NOW, "KRW-ETH", "3m", 1_788_134_401, 200, 200, 200, 1),
            Logged(NOW, "KRW-NONE", "1d", None, 1, 404, 0, 1),
            Logged(NOW, None, "", None, None, 400, 0, 1),
        ] == list(sim.log)
        stats = sim.stats
        assert (4, 1, 200, 1, 0) == (stats.requests, stats.pages, stats.candles, stats.peak, stats.simultaneous)
        assert {200: 2, 404: 1, 400: 1} == stats.by_status
        assert 1 == sim.open_connections
        sim.reset_stats()
        assert (0, 0, []) == (sim.stats.requests, sim.stats.peak, list(sim.log))


async def test_simultaneous_requests(ask: Any) -> None:
    """The peak is the most requests that were in the house at once."""
    async with simulator() as sim:
        gate = asyncio.Event()
        sim.faults.add(faults.delay(gate), when=lambda asked: gate.set() if asked.number == 3 else None)
        sim.faults.add(faults.delay(gate))
        await asyncio.gather(*(ask(sim, "days", market="KRW-ETH") for _ in range(3)))
        assert (3, 0) == (sim.stats.peak, sim.stats.simultaneous)


async def test_latency(ask: Any) -> None:
    """Each request takes its latency, half of it before the exchange looks at its clock."""
    async with simulator(latency=0.02) as sim:
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert 200 == (await ask(sim, "days", market="KRW-ETH")).status
        assert 0.02 <= loop.time() - started


async def test_seed_and_outages(ask: Any) -> None:
    """The simulator's seed and outages are in what it serves and in the truth it tells."""
    async with simulator(seed=7, outages=[(NOW - 3600, NOW - 1800)]) as sim:
        market = sim.market("KRW-ETH")
        assert 7 == market.seed
        assert [] == market.rows("1m", NOW - 3600, NOW - 1800 - 15)
        [candle] = (await ask(sim, "days", market="KRW-ETH", to="2026-08-31T00:00:00Z")).candles
        assert candle["trade_price"] == market.rows("1d", 0, 1_788_134_400)[-1].close
        assert candle["trade_price"] != DEFAULT_MARKETS[1].rows("1d", 0, 1_788_134_400)[-1].close


@pytest.mark.parametrize(
    "options",
    [
        *(
            {"host": host}
            for host in (
                "0.0.0.0",
                "0",
                "",
                None,
                "::",
                "[::]",
                "::0",
                "0:0:0:0:0:0:0:0",
                "::ffff:0.0.0.0",
                "::ffff:192.168.0.1",
                "192.168.0.1",
                "10.0.0.1",
                "169.254.1.1",
                "fe80::1",
                "128.0.0.1",
                "126.255.255.255",
                "example.com",
                "localhost.example.com",
                "LOCALHOST",
                "localhost.",
                "127.1",
                "0x7f.0.0.1",
                "127.0.0.01",
                "2130706433",
                2_130_706_433,
                b"\x7f\0\0\1",
                ["127.0.0.1", "0.0.0.0"],
                "127.0.0.1 ",
                "127.0.0.1,0.0.0.0",
                "*",
                "*.*",
            )
        ),
        {"port": 65_536},
        {"port": -1},
        {"latency": -1},
        {"rate": 0},
        {"ban_after": 0},
    ],
)
def test_bad_arguments(options: dict[str, Any]) -> None:
    """A host that others can reach, and numbers out of bounds, are refused by name."""
    with pytest.raises(RequestError, match=next(iter(options))):
        Simulator(**options)


def test_markets_once() -> None:
    """A market given twice is an error; so is asking for the truth of one that isn't there."""
    with pytest.raises(RequestError, match="KRW-X"):
        Simulator([Market("KRW-X"), Market("KRW-X", 0.5)])
    with pytest.raises(RequestError, match="KRW-Y"):
        Simulator([Market("KRW-X")]).market("KRW-Y")


async def test_start_and_stop(ask: Any) -> None:
    """A simulator runs once at a time, may be started again, and leaves nothing listening."""
    sim = simulator()
    for _ in range(2):
        async with sim:
            assert sim.running
            assert 200 == (await ask(sim, "days", market="KRW-ETH")).status
            with pytest.raises(RuntimeError, match="running"):
                await sim.__aenter__()
        assert not sim.running
        with pytest.raises(OSError, match="Connect|refused"):
            await asyncio.open_connection("127.0.0.1", int(sim.base_url.rpartition(":")[2]))


async def test_stopping_ends_requests(ask: Any) -> None:
    """Leaving the block ends requests that are held, at once."""
    async with simulator() as sim:
        entered = asyncio.Event()
        sim.faults.add(faults.delay(asyncio.Event()), when=lambda _asked: entered.set() or True)  # type: ignore[func-returns-value]
        held = asyncio.create_task(ask(sim, "days", market="KRW-ETH"))
        await entered.wait()
    with pytest.raises(Exception, match=r"disconnected|reset|closed|connect"):
        await held
    assert 0 == sim.stats.simultaneous


async def test_stopping_waits_for_no_client() -> None:
    """Leaving the block drops clients that read nothing of a long answer, or have asked for nothing yet."""
    sim = simulator()
    async with sim:
        sim.faults.add(faults.endless())
        reader, greedy = await asyncio.open_connection("127.0.0.1", int(sim.base_url.rpartition(":")[2]), limit=1)
        greedy.write(b"GET /v1/candles/days?market=KRW-ETH HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await reader.read(1)
        _, mute = await asyncio.open_connection("127.0.0.1", int(sim.base_url.rpartition(":")[2]))
        while sim.open_connections < 2:
            await asyncio.sleep(0)
        leaving = asyncio.ensure_future(sim.__aexit__(None, None, None))
        await asyncio.wait_for(leaving, 10)
        assert not sim.running
    for writer in (greedy, mute):
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def test_only_this_machine(ask: Any) -> None:
    """It listens on the loopback address that it was given; ``localhost`` is 127.0.0.1, and never looked up."""
    for host, address in (("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1")):
        async with Simulator(host=host) as sim:
            assert sim._listener is not None
            assert [each.getsockname()[0] for each in sim._listener.sockets] == [address]
            assert sim.base_url.startswith(f"http://{address}:")
            assert (await ask(sim, "days", market="KRW-BTC")).status == 200


async def test_ipv6() -> None:
    """The loopback address of IPv6 is one, and stands in brackets in the address."""
    assert "http://[::1]:0" == Simulator(host="::1").base_url


async def test_serve(ask: Any) -> None:
    """``serve`` runs until it is cancelled, and says when it listens."""
    started: asyncio.Future[Simulator] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(simulator(), started.set_result))
    sim = await started
    assert 200 == (await ask(sim, "days", market="KRW-ETH")).status
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not sim.running
