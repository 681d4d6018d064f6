"""A server that was never reached is given up soon; one that was is waited for."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from rxcandles.__main__ import main
from rxcandles.errors import ConnectionFailedError, ExchangeError, UnreachableError
from rxcandles.exchanges import UpbitExchange, contact
from tests.support.rawserver import RawServer, ok, raw_server

MINUTE = ("KRW-BTC", "1m", "--count", "5")


@pytest.fixture
def nobody() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


async def test_never_reached(nobody: str) -> None:
    """All requests together try for as long as there is patience; what they raise says why, and what to do."""
    async with UpbitExchange(nobody, patience=0.3) as exchange:
        both = await asyncio.gather(exchange.markets(), exchange.markets(), return_exceptions=True)
        for error in both:
            assert isinstance(error, UnreachableError)
            assert str(error) == (
                "127.0.0.1 can't be reached: Connection refused; check the network and the address, or give it "
                "longer: --patience 5m"
            )


async def test_reached_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that comes while there is patience, as after a boot, is used."""
    async with raw_server(ok(b"[]")) as server:
        pauses: list[float] = []
        real = socket.getaddrinfo
        up = asyncio.Event()

        def resolve(host: str, *arguments: Any, **named: Any) -> Any:
            if not up.is_set():
                raise socket.gaierror(socket.EAI_AGAIN, "not yet")
            return real("127.0.0.1", *arguments, **named)

        async def sleep(seconds: float) -> None:
            if seconds:
                pauses.append(seconds)
            if len(pauses) == 4:
                up.set()

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        monkeypatch.setattr(contact.asyncio, "sleep", sleep)
        url = server.url.replace("127.0.0.1", "api.example")
        async with UpbitExchange(url, patience=3600) as exchange:
            assert await exchange.markets() == []
        assert pauses == [0.25, 0.5, 1.0, 2.0]


async def test_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes connections and says nothing is given up when a first answer is due; who has answered is not."""
    monkeypatch.setattr(contact, "_SILENT", 0.3)
    async with raw_server(None) as server, UpbitExchange(server.url, timeout=0.3, patience=0.0) as exchange:
        with pytest.raises(UnreachableError) as caught:
            await exchange.markets()
        assert str(caught.value) == (
            "127.0.0.1 does not answer: nothing whole within 0.3 s; check the network, the address and any proxy, or "
            "give it longer: --patience 5m"
        )
    said, over = [ok(b"[]")], asyncio.Event()

    async def once(server: RawServer, writer: asyncio.StreamWriter) -> None:
        await (server.say(writer, said.pop()) if said else over.wait())

    async with raw_server(once) as server, UpbitExchange(server.url, timeout=0.3, patience=0.0) as exchange:
        assert await exchange.markets() == []
        with pytest.raises(ConnectionFailedError) as failed:
            await exchange.markets()
        assert not isinstance(failed.value, UnreachableError)
        over.set()


async def test_once_reached(nobody: str) -> None:
    """Who was connected in this run will be again: later faults are those that pass, and are tried like any."""
    async with raw_server(ok(b"[]", "Connection: close")) as server:
        exchange = UpbitExchange(server.url, patience=0.0)
        assert await exchange.markets() == []
    async with exchange:
        with pytest.raises(ConnectionFailedError) as caught:
            await exchange.markets()
    assert not isinstance(caught.value, UnreachableError)


async def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience also ends where the system takes long to say that it does not know a name."""

    asked, never = threading.Event(), threading.Event()

    def resolve(*_: Any, **__: Any) -> Any:
        asked.set()
        never.wait(60)
        raise socket.gaierror(socket.EAI_NONAME, "never heard of it")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    async with UpbitExchange("http://api.example", patience=0.05) as exchange:
        with pytest.raises(UnreachableError, match=r"api\.example can't be reached: no connection within 0\.1 s"):
            await exchange.markets()
    assert asked.is_set()
    waiting = [each for each in threading.enumerate() if each.name == "rxcandles resolves api.example"]
    never.set()
    assert waiting
    assert all(each.daemon for each in waiting)  # no process waits for them


@pytest.mark.parametrize(
    "words",
    [
        ("collect", *MINUTE), ("collect", "KRW-ETH", *MINUTE), ("collect", "KRW-*", "1m", "--count", "5"),
        ("get", *MINUTE), ("stream", *MINUTE), ("markets",),
    ],
    ids=["one", "several", "all", "get", "stream", "markets"],
)  # fmt: skip
def test_offline_at_the_shell(
    words: tuple[str, ...], nobody: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Offline is one sentence, whatever is asked for, and no log."""
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--base-url", nobody, "--patience", "1s"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("rxcandles: 127.0.0.1 can't be reached: Connection refused; ")


def test_the_log_says_more(nobody: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With ``-v`` each try that has failed is seen."""
    words = ["collect", *MINUTE, "--db", str(tmp_path / "candles.db"), "--base-url", nobody, "--patience", "1s", "-v"]
    assert main(words) == 1
    tries = [line for line in capsys.readouterr().err.splitlines() if "WARNING" in line]
    assert tries
    assert all("127.0.0.1 can't be reached yet: Connection refused; again in" in each for each in tries)


async def test_forked(nobody: str) -> None:
    """A forked child is refused in words: what it would send goes over connections of its parent."""
    async with UpbitExchange(nobody) as exchange:
        with patch("os.getpid", return_value=1), pytest.raises(ExchangeError, match="this is 1, a fork of it; open it"):
            await exchange.markets()
