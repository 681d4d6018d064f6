"""One odd market stops nothing: a code that is unusual or could do harm, a market that is delisted or restated."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import rxcandles
from rxcandles.__main__ import main
from rxcandles.cli.findings_file import noted_findings
from rxcandles.errors import InvalidResponseError, RequestError
from rxcandles.exchanges import UpbitExchange
from rxcandles.exchanges.upbit.decode import decode_markets
from rxcandles.integrity.aliases import proper_names
from rxcandles.model import Row
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.ports import Series
from rxcandles.simulator import Market, Simulator
from rxcandles.stores import SqliteStore
from rxcandles.util.arguments import check_symbol, plain
from tests.support.fakes import MINUTE, NEWEST

ODD = (
    "KRW-币安人生",
    "KRW-xBTC",
    "KRW-$MYRO",
    "KRW-USD.E",
    "KRW-A&B=C#+",
    "KRW-🚀",
    "KRW-비트코인",
    "KRW-ДОГЕ",
    "KRW-A-B",
)
HARMFUL = (
    "KRW-\x1b[31m", "KRW-A\0", "KRW-../x", "KRW-A/B", "KRW-A\\B", "KRW-*", "KRW-A B", "KRW-A\u202eB", "KRW-\u200b", "",
    "KRW-'x'", "KRW-`x`", "KRW-<b>", "KRW-A%41", "KRW-" + "币" * 40, "KRW-ВТС", "~x-y", "-KRW-x", "A,B",
)  # fmt: skip
DAY = ["--to", "2024-01-02", "--end", "2024-01-01"]


@pytest.fixture
def sim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """An exchange in another thread, that commands can be run against."""
    monkeypatch.chdir(tmp_path)
    loop = asyncio.new_event_loop()
    simulator = Simulator([Market("KRW-BTC"), Market("KRW-ETH")], rate=None)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(simulator.__aenter__(), loop).result(10)
    yield simulator
    asyncio.run_coroutine_threadsafe(simulator.__aexit__(None, None, None), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def there(sim: Simulator) -> list[str]:
    return ["--exchange", "simulated", "--base-url", sim.base_url, "--rate-limit", "none"]


def listed(sim: Simulator, *codes: object) -> None:
    """Let the exchange list more markets than it has."""
    usual = sim._market_list
    more = [{"market": code, "korean_name": "", "english_name": ""} for code in codes]
    sim._market_list = lambda query, now: json.dumps(json.loads(usual(query, now)) + more)  # type: ignore[method-assign]


@pytest.mark.parametrize("symbol", ODD)
def test_codes_are_what_is_listed(symbol: str) -> None:
    """Whatever letters a code is in, it can be asked for."""
    assert check_symbol(symbol) == plain(symbol) == symbol
    UpbitExchange().check(symbol, Timeframe.of("1m"))


@pytest.mark.parametrize("symbol", HARMFUL, ids=ascii)
def test_what_could_do_harm(symbol: str) -> None:
    """What is not shown, is a path, a glob, a quote or too long, or only looks like another code, is refused."""
    with pytest.raises(RequestError, match="symbol is"):
        UpbitExchange().check(symbol, Timeframe.of("1m"))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("btc-krw", "KRW-BTC"), ("KRW_BTC", "KRW-BTC"), ("BTC/KRW", "KRW-BTC"), ("BTC-KRW", "KRW-BTC"),
        ("krw-btc", "KRW-BTC"), ("BTC", "KRW-BTC"), ("KRWBTC", "KRW-BTC"), ("btckrw", "KRW-BTC"),
        ("Krw-Btc", "KRW-BTC"), ("ETH_BTC", "BTC-ETH"), ("ETHUSDT", "USDT-ETH"), ("USDT-KRW", "KRW-USDT"),
    ],
)  # fmt: skip
def test_near_misses(typed: str, meant: str) -> None:
    """What is typed in another way is answered with the code that is meant, before anything is sent."""
    with pytest.raises(RequestError, match=f"did you mean '{meant}'"):
        UpbitExchange().check(typed, Timeframe.of("1m"))


def test_all_of_a_listing(sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """`collect 'KRW-*'` collects the odd ones too; one that could do harm is told and left out, and the code is 1."""
    for code in ODD:
        sim.markets[code] = Market(code)
    command = ["collect", "KRW-*", "1d", *DAY, *there(sim), "--json", "--quiet"]
    assert main(command) == 0
    assert [json.loads(line)["symbol"] for line in capsys.readouterr().out.splitlines()] == ["KRW-BTC", "KRW-ETH", *ODD]
    listed(sim, *HARMFUL, None, 5)
    assert main(command) == 1
    out, err = capsys.readouterr()
    assert [json.loads(line)["collected_count"] for line in out.splitlines()] == [1] * (2 + len(ODD))
    told = err.splitlines()
    assert len(told) == sum(code.startswith("KRW-") for code in HARMFUL)
    assert told[0].startswith(r"rxcandles: listed, and left out: symbol is 'KRW-\x1b[31m'; write a market's code")
    assert main(["plan", "KRW-*", "1d", *DAY, *there(sim), "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(ODD)
    assert main(["markets", *there(sim)[:4]]) == 0
    shown = capsys.readouterr().out
    assert all(code in shown for code in ODD)
    assert "\x1b" not in shown


def test_an_odd_one_everywhere(sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """Candles of such a market are collected, shown, exported, drawn and checked as all others are."""
    symbol = "KRW-币安人生"
    sim.markets[symbol] = Market(symbol)
    assert main(["collect", symbol, "60m", *DAY, *there(sim), "--quiet"]) == 0
    for command in (
        ["get", symbol, "60m", *DAY, *there(sim), "--quiet", "--format", "jsonl"],
        ["coverage", symbol, "60m"],
        ["export", symbol, "60m", "-o", "a.csv"],
        ["export", symbol, "60m", "-o", "lake", "--by", "month"],
        ["verify", symbol, "60m", "--against-exchange", "2", *there(sim)],
    ):
        assert main(command) == 0, command
        capsys.readouterr()
    assert Path("a.csv").read_text(encoding="utf-8").splitlines()[1].startswith(f"{symbol},2024-01-01T00:00:00,")
    assert [each.suffix for each in Path("lake").rglob("*.*") if each.is_file()] == [".parquet"]


def test_unknown_codes(sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """A market that is not there stops no other, and the answer says what may be meant."""
    listed(sim, "KRW-xBTC", "KRW-币")
    assert main(["collect", "KRW-*", "1d", *DAY, *there(sim), "--json", "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert [json.loads(line).get("collected_count") for line in out.splitlines()] == [1, 1, None, None]
    assert "did you mean 'KRW-XBTC'?" in err
    for glob, said in (("krw-*", "did you mean 'KRW-*'?"), ("KRW-*\x1b", "write a market's code with *")):
        assert main(["collect", glob, "1d", *DAY, *there(sim)]) == 2
        assert said in capsys.readouterr().err


def test_a_listing_with_odd_entries() -> None:
    """An entry that is no market costs no other; a list of nothing else is no list."""
    body = b'[{"market":null},{"market":"KRW-A","korean_name":5},7,{"market":"KRW-B"}]'
    assert [each.symbol for each in decode_markets(body, "all")] == ["KRW-A", "KRW-B"]
    for wrong in (b'[{"market":null}]', b'{"market":"KRW-A"}', b"", b"<html>"):
        with pytest.raises(InvalidResponseError, match="no list of markets"):
            decode_markets(wrong, "all")


def test_spellings() -> None:
    """A code in both large and small letters is one of its own; what is typed in small letters is not."""
    names = [Series("upbit", symbol, "1m") for symbol in ("KRW-xBTC", "KRW-XBTC", "krw-xbtc", "KRW-Ⅷ", "KRW-币")]
    proper = [found and found.symbol for found in proper_names(names).values()]
    assert proper == ["KRW-xBTC", "KRW-XBTC", "KRW-XBTC", "KRW-VIII", "KRW-币"]


@pytest.mark.parametrize("command", ["verify", "repair"])
def test_a_delisted_market(command: str, sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said that it can't be compared, and all others are; where there is no other, that is an error."""
    for symbol in ("KRW-BTC", "KRW-ETH"):
        assert main(["collect", symbol, "60m", *DAY, *there(sim), "--quiet"]) == 0
    del sim.markets["KRW-ETH"]
    capsys.readouterr()
    assert main([command, "--against-exchange", "9", *there(sim)]) == 0
    out = capsys.readouterr().out
    assert "not_compared: simulated KRW-ETH 60m: it can't be compared: there is no market 'KRW-ETH'" in out
    assert out.endswith("9 pages compared with the exchange; nothing is wrong; 1 series could not be compared\n")
    assert main([command, "KRW-ETH", "60m", "--against-exchange", "9", *there(sim)]) in (1, 3)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Market("KRW-BTC", base_price=500), Market("KRW-BTC", base_price=5000)),
        (Market("KRW-BTC", halts=[(1_704_100_000 - 1_704_100_000 % 3600, 1_704_200_400)]), Market("KRW-BTC")),
    ],
    ids=["redenominated", "filled in"],
)
def test_restated(before: Market, after: Market, sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """What `verify` has found `repair` mends without further words, as far as it reaches; then nothing is left."""
    month = ["--to", "2024-02-01", "--end", "2024-01-01"]
    sim.markets["KRW-BTC"] = before
    assert main(["collect", "KRW-BTC", "60m", *month, *there(sim), "--quiet"]) == 0
    sim.markets["KRW-BTC"] = after
    compared = ["--against-exchange", "2", "--seed", "1", "--most", "1", *there(sim)]
    assert main(["verify", *compared]) == 3
    assert noted_findings("candles.db")
    assert main(["repair", *there(sim), "--quiet"]) == 0
    assert not Path("candles.db.found.json").exists()
    capsys.readouterr()
    assert main(["verify", "--against-exchange", "9", *there(sim)]) == 0
    capsys.readouterr()
    assert main(["get", "KRW-BTC", "60m", *month, *there(sim), "--quiet", "--format", "csv"]) == 0
    prices = [float(line.split(",")[5]) for line in capsys.readouterr().out.splitlines()[1:]]
    rows = after.rows("60m", 1_704_067_200, 1_706_745_600)
    assert prices[::-1] == [row.close for row in rows]


def test_refetch(sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """`repair --refetch` asks for all anew, or for a span only; what is stored stays where nothing comes."""
    sim.markets["KRW-BTC"] = Market("KRW-BTC", base_price=500)
    for symbol in ("KRW-BTC", "KRW-ETH"):
        week = ["--to", "2024-01-07", "--end", "2024-01-01"]
        assert main(["collect", symbol, "60m", *week, *there(sim), "--quiet"]) == 0
    sim.markets["KRW-BTC"] = Market("KRW-BTC", base_price=5000)
    sim.reset_stats()
    capsys.readouterr()
    words = ["repair", "KRW-BTC", "60m", "--refetch", "2024-01-03/2024-01-05", *there(sim)]
    assert main([*words, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "60m: would be fetched again: 48 candles in 1 span, which stay until the new page has arrived" in out
    assert sim.stats.requests == 0
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["revised"] == 48
    assert main(["verify"]) == 0
    out = capsys.readouterr().out
    assert out.count("two_scales: simulated KRW-BTC 60m, 2024-01-0") == 2
    assert "10 times higher from here on" in out
    assert "10 times lower from here on" in out
    # Also without a span before the series.
    assert main(["repair", "--refetch", "KRW-BTC", "60m", *there(sim), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["revised"] == 96
    assert {each.market for each in sim.log} == {"KRW-BTC"}
    assert main(["verify", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    for wrong in ("2024-13-01", "2024-01-02/2024-01-01", "0d"):
        assert main(["repair", "KRW-BTC", "60m", "--refetch", wrong]) == 2
        assert f"--refetch is '{wrong}'" in capsys.readouterr().err


async def test_refetch_refused(tmp_path: Path) -> None:
    """What is no span is refused before anything is opened."""
    for wrong in (3, "x", (to_datetime(5),), (to_datetime(5), to_datetime(5)), (1, 2)):
        with pytest.raises(RequestError, match="refetch is"):
            await rxcandles.repair(tmp_path / "a.db", refetch=wrong)  # type: ignore[arg-type]


def prices(*closes: float, gap: bool = False) -> list[Row]:
    """Candles that end now, each of which opens where the one before has closed, or at its own close."""
    rows, last = [], closes[0]
    for number, close in enumerate(closes):
        opened = NEWEST - MINUTE * (len(closes) - 1 - number)
        first = close if gap else last
        low, high = sorted((first, close))
        rows.append(Row(opened, first, high, low, close, 1.0, 1.0, opened * 1000 + 59_000))
        last = close
    return rows


FLAT = [100.0 + number % 7 for number in range(30)]


@pytest.mark.parametrize(
    ("rows", "places"),
    [
        (prices(*FLAT, *(each * 10 for each in FLAT), gap=True), {30: "10 times higher"}),
        (prices(*FLAT, *(each / 1000 for each in FLAT), gap=True), {30: "1,000 times lower"}),
        (
            prices(*FLAT, *(each * 100 for each in FLAT), *FLAT, gap=True),
            {30: "100 times higher", 60: "100 times lower"},
        ),
        (prices(*FLAT, *(each * 10 for each in FLAT[:4]), gap=True), {30: "10 times higher"}),
        # A crash that trades, a crash in steps, one wrong candle, a factor that is no power of ten, too few to tell.
        (prices(*FLAT, *(each / 10 for each in FLAT)), {}),
        (prices(*FLAT, 60, 36, 21, 13, *(each / 12 for each in FLAT), gap=True), {}),
        (prices(*FLAT, 1000.0, *FLAT, gap=True), {}),
        (prices(*FLAT, *(each * 4 for each in FLAT), gap=True), {}),
        (prices(*FLAT, 1000.0, 1001.0, gap=True), {}),
        (prices(*FLAT, 10.0, 11.0, 40.0, *FLAT, gap=True), {}),
    ],
    ids=["up", "down", "a part", "the newest", "a crash", "steps", "a spike", "a split", "too few", "it heals"],
)
async def test_two_scales(rows: list[Row], places: dict[int, str]) -> None:
    """A place where all prices change by a power of ten and stay so is a note; a market that moves is not."""
    async with SqliteStore(":memory:") as store:
        await store.write("KRW-X", Timeframe.of("1m"), rows[::-1], (rows[0].open_time, NEWEST + MINUTE))
        report = await rxcandles.verify(store._database)
    assert report.clean
    found = {each.start: each.detail for each in report.findings if each.kind == "two_scales"}
    assert set(found) == {to_datetime(rows[at].open_time) for at in places}
    assert all(said in detail for said, detail in zip(places.values(), found.values(), strict=True))


def test_a_part_that_is_from_before(sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """What was collected before a redenomination is looked at first, and asked anew as far as it reaches."""
    sim.markets["KRW-BTC"] = Market("KRW-BTC", base_price=500)
    year = ["--to", "2024-01-01", "--end", "2023-01-01"]
    assert main(["collect", "KRW-BTC", "60m", *year, *there(sim), "--quiet"]) == 0
    sim.markets["KRW-BTC"] = Market("KRW-BTC", base_price=5000)
    week = ["--to", "2024-01-08", "--end", "2024-01-01"]
    assert main(["collect", "KRW-BTC", "60m", *week, *there(sim), "--quiet"]) == 0
    assert main(["verify"]) == 0
    assert "two_scales: simulated KRW-BTC 60m, 2023-12-31 2" in capsys.readouterr().out
    assert main(["verify", "--against-exchange", "2", *there(sim)]) == 3
    assert main(["repair", *there(sim), "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["revised"] == 8760 - 3  # three were read again
    assert main(["verify", "--against-exchange", "9", *there(sim)]) == 0
    assert "two_scales" not in capsys.readouterr().out
