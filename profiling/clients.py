"""Other people's clients of Upbit and Binance against ``rxcandles simulate``: what they read is what we store.

``python -m profiling clients FOLDER``: each client is looked for in ``FOLDER/NAME``, since several are called ``upbit``
(``pip install --no-deps --target FOLDER/NAME NAME``; what they need themselves beside this package). They run
unmodified but for the address, which is put in where the request goes out.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

from profiling.support.binanceclients import BINANCE_CLIENTS, binance_rows
from profiling.support.harness import table

__all__ = ["main"]

SYMBOL: Final = "KRW-ETH"
TO: Final = 1_768_435_200
"""2026-01-15T00:00:00Z, the newer end of what is read."""
PAGES: Final = 3

Rows: TypeAlias = dict[int, tuple[float, ...]]
"""Open, high, low, close, volume by the time of opening."""


def _upbit_rows(candles: list[dict[str, Any]]) -> Rows:
    names = ("opening_price", "high_price", "low_price", "trade_price", "candle_acc_trade_volume")
    return {
        int(datetime.fromisoformat(str(each["candle_date_time_utc"])).replace(tzinfo=UTC).timestamp()): tuple(
            float(each[name]) for name in names
        )
        for each in candles
    }


def _paged(ask: Callable[[str], list[dict[str, Any]]]) -> Rows:
    """Page back as their documents say: ``to`` is the oldest candle so far."""
    rows: Rows = {}
    to = TO
    for _ in range(PAGES):
        rows |= _upbit_rows(ask(datetime.fromtimestamp(to, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))
        to = min(rows)
    return rows


def _frame_rows(frame: Any) -> Rows:
    """Of a table whose index is Korean time without saying so."""
    names = ["open", "high", "low", "close", "volume"]
    utc = frame.index.tz_localize("Asia/Seoul").tz_convert("UTC")
    return {
        int(at.timestamp()): tuple(map(float, row))
        for at, row in zip(utc, frame[names].itertuples(index=False), strict=True)
    }


def pyupbit(url: str) -> Rows:
    import pyupbit as client  # type: ignore[import-not-found, unused-ignore]

    end = datetime.fromtimestamp(TO, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return _frame_rows(client.get_ohlcv(SYMBOL, interval="minute1", count=200 * PAGES, to=end))


def pyubcc(url: str) -> Rows:
    import pandas
    from pyubcc import UpbitCandleCollector  # type: ignore[import-not-found, unused-ignore]

    korean = datetime.fromtimestamp(TO + 9 * 3600, UTC).replace(tzinfo=None)
    with TemporaryDirectory() as folder:
        path = str(Path(folder, "theirs.db"))
        collector = UpbitCandleCollector("ETH", "minute1", db_path=path)
        collector.collect(start_date=korean - pandas.Timedelta(minutes=200 * PAGES), end_date=korean)
        import sqlite3

        database = sqlite3.connect(path)
        frame = pandas.read_sql("SELECT * FROM ohlcv", database, index_col="timestamp", parse_dates=["timestamp"])
        database.close()
    return _frame_rows(frame)


def upbit_sdk(url: str) -> Rows:
    import upbit  # type: ignore[import-not-found, unused-ignore]

    with upbit.Upbit(base_url=url) as client:
        return _paged(
            lambda to: [each.to_dict() for each in client.candles.list_minutes(unit=1, market=SYMBOL, to=to, count=200)]
        )


def upbitpy(url: str) -> Rows:
    from upbitpy import Upbitpy  # type: ignore[import-not-found, unused-ignore]

    return _paged(lambda to: list(Upbitpy().get_minutes_candles(1, SYMBOL, to, 200)))


def upbit_api(url: str) -> Rows:
    from upbit_api.client import UpbitClient  # type: ignore[import-not-found, unused-ignore]

    client = UpbitClient(base_url=url + "/v1")
    names = ("opening_price", "high_price", "low_price", "trade_price", "candle_acc_trade_volume")

    def ask(to: str) -> list[dict[str, Any]]:
        found = client.get_candles("KRW-ETH", "1m", 200, to)
        return [
            {"candle_date_time_utc": each.candle_date_time_utc.replace(tzinfo=None)}
            | {name: getattr(each, name) for name in names}
            for each in found
        ]

    return _paged(ask)


def python_upbit_api(url: str) -> Rows:
    import upbit  # type: ignore[import-not-found, unused-ignore]

    client = upbit.Upbit()
    return _paged(lambda to: list(client.get_candles_minute(1, SYMBOL, to=to, count=200).json()))


def upbit_wrapper(url: str) -> Rows:
    from upbit_wrapper.upbit import Upbit  # type: ignore[import-not-found, unused-ignore]

    return _paged(lambda to: list(Upbit().candles_minutes(unit=1, market=SYMBOL, to=to, count=200)))


def upbit_py(url: str) -> Rows:
    from upbit.client import Client  # type: ignore[import-not-found, unused-ignore]

    return _paged(lambda to: list(Client().get_candles_minutes(1, SYMBOL, to, 200)))


def _ccxt_rows(pages: list[list[list[float]]]) -> Rows:
    return {int(each[0]) // 1000: tuple(map(float, each[1:6])) for page in pages for each in page}


def _ccxt_begins() -> Iterator[int]:
    return ((TO - 200 * 60 * page) * 1000 for page in range(PAGES, 0, -1))


def ccxt(url: str) -> Rows:
    import ccxt as client  # type: ignore[import-not-found, unused-ignore]

    exchange = client.upbit({"enableRateLimit": True})
    exchange.urls["api"] = {"public": url, "private": url}
    exchange.load_markets()
    return _ccxt_rows([exchange.fetch_ohlcv("ETH/KRW", "1m", since=begin, limit=200) for begin in _ccxt_begins()])


def ccxt_async(url: str) -> Rows:
    import ccxt.async_support as client  # type: ignore[import-not-found, unused-ignore]

    async def ask() -> Rows:
        exchange = client.upbit({"enableRateLimit": True})
        exchange.urls["api"] = {"public": url, "private": url}
        try:
            await exchange.load_markets()
            return _ccxt_rows(
                [await exchange.fetch_ohlcv("ETH/KRW", "1m", since=begin, limit=200) for begin in _ccxt_begins()]
            )
        finally:
            await exchange.close()

    return asyncio.run(ask())


CLIENTS: Final[dict[str, tuple[str, Callable[[str], Rows]]]] = {
    "ccxt": ("ccxt", ccxt),
    "ccxt, asynchronous": ("ccxt", ccxt_async),
    "pyupbit": ("pyupbit", pyupbit),
    "pyubcc": ("pyubcc", pyubcc),
    "upbit-sdk": ("upbit-sdk", upbit_sdk),
    "upbitpy": ("upbitpy", upbitpy),
    "upbit-api": ("upbit-api", upbit_api),
    "python-upbit-api": ("python-upbit-api", python_upbit_api),
    "upbit-wrapper": ("upbit-wrapper", upbit_wrapper),
    "upbit-py": ("upbit-py", upbit_py),
}
"""Where each is installed, and what asks it for three pages."""


_CLIENTS: Final = {"upbit": CLIENTS, "binance": BINANCE_CLIENTS}


def _redirect(url: str) -> None:
    """Send what goes to the exchanges' own addresses to ``url``."""
    try:
        requests: Any = importlib.import_module("requests")
    except ImportError:
        return
    send = requests.Session.send

    def redirected(self: Any, request: Any, **more: Any) -> Any:
        for own in ("https://api.upbit.com", "https://api.binance.com"):
            request.url = request.url.replace(own, url)
        return send(self, request, **more)

    requests.Session.send = redirected


def _child(name: str, url: str) -> int:
    _redirect(url)
    print(json.dumps([[at, *row] for at, row in sorted((CLIENTS | BINANCE_CLIENTS)[name][1](url).items())]))
    return 0


def _ours(url: str, folder: str) -> Rows:
    import rxcandles

    async def ask() -> Rows:
        async with rxcandles.connect(Path(folder, "candles.db"), base_url=url, rate_limit=10) as provider:
            candles = await provider.get_candles(SYMBOL, "1m", 200 * PAGES + 200, datetime.fromtimestamp(TO, UTC))
        return {each.open_seconds: (each.open, each.high, each.low, each.close, each.volume) for each in candles}

    return asyncio.run(ask())


def _compared(theirs: Rows, ours: Rows) -> dict[str, object]:
    oldest, newest = min(theirs), max(theirs)
    there = {at: row for at, row in ours.items() if oldest <= at <= newest}
    return {
        "rows": len(theirs),
        "equal": sum(there.get(at, ())[: len(row)] == row for at, row in theirs.items()),
        "not with us": len(theirs.keys() - there.keys()),
        "only with us": len(there.keys() - theirs.keys()),
    }


def _asked(name: str, place: str, url: str) -> Rows | str:
    """Ask a client in a process of its own; a text says why it could not."""
    # In front of everything else, since several are called alike.
    program = (
        f"import sys; sys.path.insert(0, {str(Path(place).absolute())!r}); "
        f"from profiling.clients import main; sys.exit(main({['.', '--child', name, url]!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["failed"])[-1]
    return {int(row[0]): tuple(row[1:]) for row in json.loads(done.stdout.splitlines()[-1])}


def _face(face: str, limit: str, folder: str) -> tuple[list[dict[str, object]], int]:
    """Let all clients of one face read from a simulator with this limit; return what they found and how many failed."""
    simulate = [sys.executable, "-m", "rxcandles", "simulate", "--as", face, "--rate-limit", limit, "--port", "0"]
    lines, bad = list[dict[str, object]](), 0
    with subprocess.Popen(simulate, stdout=subprocess.PIPE, text=True) as server, TemporaryDirectory() as own:
        assert server.stdout is not None
        url = next(word for word in server.stdout.readline().split() if word.startswith("http")).rstrip(";,)")
        try:
            # What a page of Upbit's shows of a market is stored by us first; of Binance's the truth itself is known.
            ours = _ours(url, own) if face == "upbit" else binance_rows()
            for name, (place, _) in _CLIENTS[face].items():
                time.sleep(1.1)  # so that none pays for the requests of the one before
                found = _asked(name, str(Path(folder, place)), url)
                if isinstance(found, str):
                    lines.append({"client": name, "rows": found})
                    bad += 1
                    continue
                lines.append({"client": name, **_compared(found, ours)})
                bad += lines[-1]["equal"] != lines[-1]["rows"] or lines[-1]["only with us"] != 0
        finally:
            server.terminate()
    return lines, bad


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling clients")
    parser.add_argument("folder", help="where each client is installed, in a folder of its name")
    parser.add_argument("--as", dest="faces", choices=list(_CLIENTS), action="append", help="only this exchange's")
    parser.add_argument("--child", nargs=2, metavar=("NAME", "URL"), help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.child:
        return _child(*asked.child)
    failed = 0
    for face, limit in (("upbit", "10"), ("upbit", "none"), ("binance", "6000"), ("binance", "none")):
        if face in (asked.faces or _CLIENTS):
            lines, bad = _face(face, limit, asked.folder)
            failed += bad
            print(table(f"Read from a simulated {face}, limit {limit}, beside what is stored or true", lines))
    return 1 if failed else 0
