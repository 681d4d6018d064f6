"""What no input may do: become a path, reach another host, or show a secret."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

import rxcandles
from rxcandles.__main__ import main
from rxcandles.errors import ConnectionFailedError, RequestError, RxCandlesError, UnreachableError
from rxcandles.exchanges import UpbitExchange
from rxcandles.exchanges.proxies import proxy_for
from rxcandles.model.timeframe import to_datetime
from rxcandles.operators import Retry
from rxcandles.stores import SqliteStore
from tests.support.fakes import FakeExchange
from tests.support.rawserver import ok, raw_server

SECRET = "hunter2"
SHAPES = [SECRET, base64.b64encode(f"me:{SECRET}".encode()).decode()]


# Paths and hosts

WATCHED = """
import json, os, sys, tempfile

wrote, reached, ran = [], [], []

def watch(event, arguments):
    if event == "open":
        path, _, flags = arguments
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND):
            wrote.append(str(path))
    elif event == "sqlite3.connect" or event in ("os.mkdir", "os.rename", "os.remove", "os.symlink", "os.link"):
        wrote.append(str(arguments[0]))
    elif event in ("socket.connect", "socket.bind"):
        reached.append(arguments[1][0])
    elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"):
        ran.append(event)

import asyncio
import rxcandles

async def collect(path):
    async with rxcandles.connect(path, "simulated", rate_limit=None, share_limit=True) as provider:
        for symbol in ("KRW-BTC", "../../KRW-BTC", "/etc/passwd", "KRW-'"):
            try:
                await provider.collect_candles_only(symbol, "1m", count=300)
            except rxcandles.RxCandlesError as error:
                print(type(error).__name__, file=sys.stderr)
        async with provider.stream_candles("KRW-ETH", "1m", count=300) as stream:
            _ = [chunk async for chunk in stream]
        assert len(await provider.get_candles("KRW-ETH", "1m", count=300)) == 300

tempfile.gettempdir()  # which tries to write there
sys.addaudithook(watch)
asyncio.run(collect(sys.argv[1]))
print(json.dumps([sorted(set(wrote)), sorted(set(reached)), ran]))
"""


async def test_nothing_but_the_database_is_written(tmp_path: Path) -> None:
    """A run writes the database named and the shared limit's file, reaches loopback alone, and starts no program."""
    database, temporary = tmp_path / "some candles.db", tmp_path / "tmp"
    temporary.mkdir()
    own = tmp_path / "run"
    own.mkdir()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-B", "-c", WATCHED, str(database), cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(temporary), "XDG_RUNTIME_DIR": str(own)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert err.decode().split() == ["RequestError"] * 3
    wrote, reached, ran = json.loads(out)
    folder = own / "rxcandles"
    assert set(wrote) - {str(folder)} == {str(database), str(folder / "simulated.lease")}
    assert reached == ["127.0.0.1"]
    assert ran == []
    assert set(os.listdir(tmp_path)) == {"some candles.db", "tmp", "run"}
    assert os.listdir(temporary) == []
    assert (folder.stat().st_mode & 0o777, (folder / "simulated.lease").stat().st_mode & 0o777) == (0o700, 0o600)


def test_name_of_an_exchange_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shared limit's file is named after the exchange; a name that is no plain file name is refused."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    async def opening() -> None:
        exchange = FakeExchange([])
        exchange.name = "../up"
        async with rxcandles.connect(tmp_path / "candles.db", exchange, share_limit=True):
            pass

    with pytest.raises(RequestError, match=r"exchange is '\.\./up'"):
        asyncio.run(opening())
    assert list(tmp_path.iterdir()) == []


# Secrets


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the environment name a proxy, with a password."""

    def put(url: str) -> None:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            for each in (name, name.upper()):
                monkeypatch.setenv(each, url.replace("://", f"://me:{SECRET}@"))
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)

    return put


async def test_proxies_of_the_environment(proxied: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is used, with its password, but for this machine's own addresses and NO_PROXY."""
    async with raw_server(ok(b"[]")) as proxy, raw_server(ok(b"[]")) as server:
        proxied(proxy.url)
        async with UpbitExchange(server.url) as exchange:
            assert await exchange.markets() == []
        assert (proxy.connections, len(server.requests)) == (0, 1)
        async with UpbitExchange("http://api.example") as exchange:
            assert await exchange.markets() == []
        assert (proxy.connections, len(server.requests)) == (1, 1)
        assert proxy.requests[0].startswith(b"GET http://api.example/v1/market/all ")
        assert b"Proxy-Authorization: Basic " in proxy.requests[0]
        monkeypatch.setenv("NO_PROXY", "api.example")
        async with UpbitExchange("http://api.example", patience=0.01) as exchange:
            with pytest.raises(UnreachableError):
                await exchange.markets()
        assert proxy.connections == 1


@pytest.mark.parametrize(
    ("exceptions", "url", "passed_by"),
    [
        ("*", "https://api.example", True),
        ("other, *", "https://api.example", True),
        ("api.example", "https://api.example", True),
        ("API.Example", "https://api.example", True),
        ("example", "https://api.example", True),
        (".example", "https://api.example", True),
        ("*.example", "https://api.example", True),
        (".example", "https://apiexample", False),
        ("pi.example", "https://api.example", False),
        ("api.example:443", "https://api.example", True),
        ("api.example:80", "https://api.example", False),
        ("api.example:8080", "http://api.example:8080", True),
        ("*:8080", "http://api.example:8080", True),
        ("one.example two.example", "https://two.example", True),
        ("10.0.0.0/8", "http://10.1.2.3:80", True),
        ("10.0.0.0/8", "http://11.1.2.3:80", False),
        ("10.1.2.3", "http://10.1.2.3", True),
        ("fd00::/8", "http://[fd00::1]:80", True),
        ("[fd00::1]:80", "http://[fd00::1]:80", True),
        ("[fd00::1]:81", "http://[fd00::1]:80", False),
        ("", "https://api.example", False),
        (",. ,", "https://api.example", False),
    ],
)
def test_exceptions_to_proxies(
    exceptions: str, url: str, passed_by: bool, proxied: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_PROXY names hosts with all below them, addresses and networks, each with a port or without, or all."""
    proxied("http://proxy.example:1")
    monkeypatch.setenv("no_proxy", exceptions)
    assert (proxy_for(urlsplit(url)) is None) == passed_by


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_one_proxy_for_all(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """ALL_PROXY is used where none is named for the scheme; a SOCKS proxy there is refused by its variable's name."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    address = urlsplit(f"{scheme}://api.example")
    assert proxy_for(address) is None
    monkeypatch.setenv("ALL_PROXY", "proxy.example:1")
    assert proxy_for(address) == "http://proxy.example:1"
    monkeypatch.setenv(f"{scheme}_proxy", "http://own.example:2")
    assert proxy_for(address) == "http://own.example:2"
    monkeypatch.delenv(f"{scheme}_proxy")
    monkeypatch.setenv("all_proxy", f"socks5h://me:{SECRET}@127.0.0.1:1080")
    with pytest.raises(RequestError, match=r"ALL_PROXY names no proxy that can be used; .*SOCKS is not") as caught:
        proxy_for(address)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("url", ["socks5://127.0.0.1:1080", "http://", "http://host:99999", "ftp://host"])
def test_proxies_that_cannot_be_used(url: str, proxied: Any) -> None:
    """A proxy that can't be used is said, without its password."""
    proxied(url)
    with pytest.raises(RequestError, match="HTTPS_PROXY names no proxy that can be used") as caught:
        UpbitExchange()
    assert [shape for shape in SHAPES if shape in str(caught.value)] == []


def told(error: BaseException, caplog: pytest.LogCaptureFixture) -> str:
    """Everything that a log or a terminal might show."""
    return "\n".join([*traceback.format_exception(error), caplog.text, str(error), *getattr(error, "__notes__", [])])


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", b"nonsense\r\n\r\n", b""])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_secrets_of_a_session(
    scheme: str, answer: bytes | None, proxied: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The password of a proxy, a header or a cookie of the user's session shows in no error and no log."""
    caplog.set_level(logging.DEBUG)
    url = f"{scheme}://api.example"

    async def respond(server: Any, writer: asyncio.StreamWriter) -> None:
        await server.say(writer, answer or b"")
        writer.close()

    async with (
        raw_server(None if answer is None else respond) as proxy,
        aiohttp.ClientSession(
            trust_env=True, headers={"Authorization": f"Bearer {SECRET}"}, cookies={"key": SECRET}
        ) as session,
        UpbitExchange(url, session=session, timeout=0.2) as exchange,
        SqliteStore(tmp_path / "candles.db") as store,
    ):
        proxied(proxy.url)
        provider = rxcandles.CandleDataProvider(
            store, exchange, rxcandles.SlidingWindowLimiter(None), retry=Retry(2, 0.001, 0.001), cursors=1
        )
        with pytest.raises(RxCandlesError) as caught:
            await provider.get_candles("KRW-BTC", "1m", count=100, to=to_datetime(1773240060))
        assert proxy.connections > 0
        text = told(caught.value, caplog)
        assert "api.example" in text
        assert [shape for shape in SHAPES if shape in text] == []


async def test_secrets_of_a_dead_proxy(proxied: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Nor does that of a proxy that can't be reached."""
    caplog.set_level(logging.DEBUG)
    async with raw_server(None) as gone:
        proxied(gone.url)
    async with (
        aiohttp.ClientSession(trust_env=True) as session,
        UpbitExchange("https://api.example", session=session) as exchange,
    ):
        with pytest.raises(ConnectionFailedError) as caught:
            await exchange.markets()
    assert [shape for shape in SHAPES if shape in told(caught.value, caplog)] == []


@pytest.mark.parametrize(
    "url",
    [
        f"https://me:{SECRET}@api.upbit.com",
        f"https://{SECRET}@api.upbit.com",
        f"me:{SECRET}@api.upbit.com",
        f"ftp://me:{SECRET}@api.upbit.com",
        f"https://me:{SECRET}@api.upbit.com:99999",
        f"https://me:{SECRET}@",
        f"https://me:{SECRET}@[::1",
        f"https://api.upbit.com?key={SECRET}",
        f"https://api.upbit.com/#{SECRET}",
    ],
)
def test_secrets_in_an_address(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """An address with a password or a query is refused wherever it is given, and not repeated."""
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "candles.db"
    for give in (
        lambda: UpbitExchange(url),
        lambda: rxcandles.connect(path, base_url=url),
        lambda: rxcandles.connect(path, "simulated", base_url=url),
        lambda: rxcandles.connect(path, FakeExchange([]), base_url=url),
    ):
        with pytest.raises(RequestError, match="base_url") as caught:
            give()
        assert SECRET not in str(caught.value)
    assert main(["collect", "KRW-BTC", "1m", "--count", "9", "--db", str(path), "--base-url", url]) == 2
    shown = "".join(capsys.readouterr()) + caplog.text
    assert "base_url" in shown
    assert SECRET not in shown
    assert not path.exists()
