"""A server that was never reached is given up soon; one that was is waited for."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from rawserver import ok, raw_server

from rxcandles.__main__ import main
from rxcandles.errors import ConnectionFailedError, UnreachableError
from rxcandles.exchanges import UpbitExchange, contact

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
        real = asyncio.get_running_loop().getaddrinfo
        up = asyncio.Event()

        async def resolve(*arguments: Any, **named: Any) -> Any:
            if not up.is_set():
                raise socket.gaierror(socket.EAI_AGAIN, "not yet")
            return await real("127.0.0.1", *arguments[1:], **named)

        async def sleep(seconds: float) -> None:
            if seconds:
                pauses.append(seconds)
            if len(pauses) == 4:
                up.set()

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        monkeypatch.setattr(contact.asyncio, "sleep", sleep)
        url = server.url.replace("127.0.0.1", "api.example")
        async with UpbitExchange(url, patience=3600) as exchange:
            assert await exchange.markets() == []
        assert pauses == [0.25, 0.5, 1.0, 2.0]


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

    async def resolve(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    async with UpbitExchange("http://api.example", patience=0.05) as exchange:
        with pytest.raises(UnreachableError, match=r"api\.example can't be reached: no connection within 0\.1 s"):
            await exchange.markets()


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
