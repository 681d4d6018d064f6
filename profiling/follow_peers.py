"""Clients of other people beside ours, through the same ten disconnects: candles lost, doubled and wrong.

``pip install ccxt python-binance pyupbit`` is needed for all of them; who is absent is left out. Each is used as its
documents show, in a process of its own, pointed at one simulator that all watch at once: 1s candles, on a real clock.
Of a client that does not say when a candle is closed, the next one closes it. All errors are caught, and the loop goes
on: what is lost was lost without a word.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from profiling.support.harness import machine, table
from rxcandles.simulator import BinanceSimulator, Simulator
from rxcandles.simulator.server import Server

UPBIT, BINANCE = "KRW-ETH", "BTCUSDT"
WARM: Final = 12
"""Seconds until all have begun."""
LATE: Final = 10
"""Seconds at the end in which what was delayed may still come."""


def _emit(row: list[Any]) -> None:
    """Print a closed candle: its open time in seconds, four prices, and the volume."""
    print(json.dumps([int(row[0]), *(float(each) for each in row[1:6])]), flush=True)


# The programs


async def _ccxt(exchange: Any, symbol: str) -> None:
    held: list[Any] | None = None
    while True:
        try:
            rows = await exchange.watch_ohlcv(symbol, "1s")
        except Exception:
            await asyncio.sleep(0.05)
            continue
        # Of Upbit it returns one candle, where its documents say a list of them.
        for row in rows if isinstance(rows[0], list) else [rows]:
            if held is not None and row[0] > held[0]:
                _emit([held[0] // 1000, *held[1:6]])
            if held is None or row[0] >= held[0]:
                held = list(row)


async def ccxt_upbit(url: str, ws_url: str, folder: str) -> None:
    exchange = importlib.import_module("ccxt.pro").upbit()
    exchange.urls["api"] = {**exchange.urls["api"], "public": url, "ws": ws_url}
    await exchange.load_markets()
    await _ccxt(exchange, "ETH/KRW")


async def ccxt_binance(url: str, ws_url: str, folder: str) -> None:
    exchange = importlib.import_module("ccxt.pro").binance({"options": {"fetchMarkets": {"types": ["spot"]}}})
    ws = {**exchange.urls["api"]["ws"], "spot": ws_url}
    exchange.urls["api"] = {**exchange.urls["api"], "public": f"{url}/api/v3", "ws": ws}
    await exchange.load_markets()
    await _ccxt(exchange, "BTC/USDT")


async def python_binance(url: str, ws_url: str, folder: str) -> None:
    library = importlib.import_module("binance")
    manager = library.BinanceSocketManager(library.AsyncClient())
    manager.STREAM_URL = ws_url.removesuffix("ws")
    while True:
        try:
            async with manager.kline_socket(BINANCE, interval="1s") as stream:
                while True:
                    message = await stream.recv()
                    if message.get("e") != "error" and message["k"]["x"]:
                        candle = message["k"]
                        _emit([candle["t"] // 1000, *(candle[name] for name in "ohlcv")])
        except Exception:
            await asyncio.sleep(0.05)


async def pyupbit(url: str, ws_url: str, folder: str) -> None:
    from datetime import UTC, datetime

    sockets: Any = importlib.import_module("websockets")
    connect = sockets.connect
    sockets.connect = lambda address, **how: connect(ws_url, **how)
    manager = importlib.import_module("pyupbit").WebSocketManager("candle.1s", [UPBIT])
    names = ("opening_price", "high_price", "low_price", "trade_price", "candle_acc_trade_volume")
    held: list[Any] | None = None
    while True:
        message = await asyncio.to_thread(manager.get)
        if not isinstance(message, dict) or "code" not in message:
            continue
        opened = datetime.fromisoformat(message["candle_date_time_utc"]).replace(tzinfo=UTC).timestamp()
        if held is not None and opened > held[0]:
            _emit(held)
        if held is None or opened >= held[0]:
            held = [opened, *(message[name] for name in names)]


async def _ours(exchange: str, symbol: str, url: str, folder: str) -> None:
    import rxcandles

    path = Path(folder, f"{exchange}.db")
    async with rxcandles.connect(path, exchange, base_url=url) as provider, provider.follow(symbol, "1s") as feed:
        async for update in feed:
            if update.kind == "candle":
                _emit([update.candle.open_seconds, *update.candle.row[1:6]])


async def ours_upbit(url: str, ws_url: str, folder: str) -> None:
    await _ours("upbit", UPBIT, url, folder)


async def ours_binance(url: str, ws_url: str, folder: str) -> None:
    await _ours("binance", BINANCE, url, folder)


CLIENTS: Final[dict[str, dict[str, tuple[str, Callable[[str, str, str], Awaitable[None]]]]]] = {
    "upbit": {
        "rxcandles": ("rxcandles", ours_upbit),
        "ccxt.pro": ("ccxt", ccxt_upbit),
        "pyupbit": ("pyupbit", pyupbit),
    },
    "binance": {
        "rxcandles": ("rxcandles", ours_binance),
        "ccxt.pro": ("ccxt", ccxt_binance),
        "python-binance": ("binance", python_binance),
    },
}
"""By exchange: what has to be installed, and the program."""


def _disconnects(sim: Server) -> list[tuple[str, Callable[[], Any]]]:
    sockets = sim.sockets
    return [
        ("cut", sockets.cut),
        ("reset", sockets.abort),
        ("closed with 1000", lambda: sockets.close(1000)),
        ("cut inside a message", lambda: sockets.cut(inside=True)),
        ("closed with 1001", lambda: sockets.close(1001)),
        ("down for 3 s", lambda: sockets.restart(3)),
        ("closed with 1011", lambda: sockets.close(1011, "internal error")),
        ("cut", sockets.cut),
        ("down for 6 s", lambda: sockets.restart(6)),
        ("reset", sockets.abort),
    ]  # fmt: skip


async def _watch(sim: Server, face: str, symbol: str, pause: float, folder: str) -> list[dict[str, Any]]:
    """Let all watch, disconnect them ten times, and compare what each has with the truth."""
    clients = {name: run for name, (needed, run) in CLIENTS[face].items() if find_spec(needed) is not None}
    pipe = asyncio.subprocess.PIPE
    program = "import sys; from profiling.follow_peers import main; sys.exit(main(sys.argv[1:]))"
    running = {
        name: await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            "--child",
            face,
            name,
            sim.base_url,
            sim.ws_url,
            folder,
            stdout=pipe,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        for name in clients
    }
    reading = {name: asyncio.create_task(_lines(process)) for name, process in running.items()}
    await asyncio.sleep(WARM)
    start = int(time.time()) - 2
    for _, disconnect in _disconnects(sim):
        await asyncio.sleep(pause)
        done = disconnect()
        if asyncio.iscoroutine(done):
            await done
    await asyncio.sleep(pause + LATE)
    stop = int(time.time()) - LATE
    for process in running.values():
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # some have processes of their own
    truth = {row.open_time: list(row[1:6]) for row in sim.market(symbol).rows("1s", start, stop)}
    lines = []
    for name, task in reading.items():
        rows = [row for row in await task if start <= row[0] < stop]
        times = Counter(int(row[0]) for row in rows)
        lines.append(
            {
                "exchange": face,
                "client": name,
                "candles": len(truth),
                "lost": len(truth.keys() - times.keys()),
                "doubled": times.total() - len(times),
                "other values": sum(truth.get(int(row[0])) not in (None, row[1:]) for row in rows),
                "that never were": len(times.keys() - truth.keys()),
                "connections": "",
            }
        )
    lines[0]["connections"] = f"{sim.sockets.stats.connects} by all"
    return lines


async def _lines(process: asyncio.subprocess.Process) -> list[list[float]]:
    assert process.stdout is not None
    return [json.loads(line) async for line in process.stdout]


async def _all(pause: float) -> list[dict[str, Any]]:
    with TemporaryDirectory() as folder:
        async with Simulator(rate=None) as upbit, BinanceSimulator(rate=None) as binance:
            found = await asyncio.gather(
                _watch(upbit, "upbit", UPBIT, pause, folder), _watch(binance, "binance", BINANCE, pause, folder)
            )
    return [line for lines in found for line in lines]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling follow_peers")
    parser.add_argument("--pause", type=float, default=8.0, help="seconds before each disconnect")
    parser.add_argument("--child", nargs=5, metavar=("FACE", "NAME", "URL", "WS", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    logging.getLogger("rxcandles").setLevel(logging.CRITICAL)
    if options.child:
        face, name, *where = options.child
        run: Any = CLIENTS[face][name][1]
        asyncio.run(run(*where))
        return 0
    lines = asyncio.run(_all(options.pause))
    print(table(f"1s candles through ten disconnects. {machine()}", lines))
    ours = [line for line in lines if line["client"] == "rxcandles"]
    return 1 if any(line["lost"] or line["doubled"] or line["other values"] for line in ours) else 0
