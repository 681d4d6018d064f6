"""Certificates are verified: real TLS servers on loopback, with certificates that are made here."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import ssl
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

import rxcandles
from rxcandles.cli import cli
from rxcandles.errors import CertificateError, ConnectionFailedError
from rxcandles.exchanges import UpbitExchange
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.operators import Retry
from tests.support.rawserver import ok, raw_server

MINUTE = Timeframe.of("1m")
TO = 1773240060
DAY = timedelta(days=1)
CA = trustme.CA()
NOW = datetime.now(UTC)


def server_side(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


def self_signed() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with trustme.Blob(CA.private_key_pem.bytes() + CA.cert_pem.bytes()).tempfile() as path:
        context.load_cert_chain(path)
    return context


GOOD = server_side(CA.issue_cert("127.0.0.1"))


@asynccontextmanager
async def session(**how: Any) -> Any:
    """A session that trusts our CA, unless it is told otherwise."""
    if not how:
        how = {"ssl": ssl.create_default_context()}
        CA.configure_trust(how["ssl"])
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(**how)) as ours:
        yield ours


async def test_trusted() -> None:
    """Where the session trusts the CA, a server with a certificate of it is asked, and its answer is used."""
    async with raw_server(ok(), GOOD) as server, session() as ours, UpbitExchange(server.url, session=ours) as exchange:
        assert len((await exchange.page("KRW-BTC", MINUTE, TO, 200)).rows) == 1
    assert server.requests[0].startswith(b"GET /v1/candles/minutes/1?market=KRW-BTC")


@pytest.mark.parametrize(
    ("context", "trusting", "words"),
    [
        (self_signed(), False, "self"),
        (GOOD, False, "unable to get local issuer certificate"),
        (server_side(trustme.CA().issue_cert("127.0.0.1")), True, "unable to get local issuer certificate"),
        (server_side(CA.issue_cert("api.upbit.com")), True, "not valid for '127.0.0.1'"),
        (server_side(CA.issue_cert("127.0.0.1", not_before=NOW - 9 * DAY, not_after=NOW - DAY)), True, "has expired"),
        (server_side(CA.issue_cert("127.0.0.1", not_before=NOW + DAY, not_after=NOW + 9 * DAY)), True, "not yet valid"),
    ],
    ids=["self-signed", "unknown CA", "another CA", "another name", "expired", "not yet valid"],
)
async def test_not_trusted(context: ssl.SSLContext, trusting: bool, words: str) -> None:
    """Else the error says that TLS failed, why, and what to do; not a byte of a request has gone there."""
    async with (
        raw_server(ok(), context) as server,
        session() as ours,
        UpbitExchange(server.url, session=ours if trusting else None) as exchange,
    ):
        for ask in (lambda: exchange.page("KRW-BTC", MINUTE, TO, 200), exchange.markets):
            with pytest.raises(ConnectionFailedError, match="TLS failed") as caught:
                await ask()
            assert type(caught.value) is CertificateError
            assert words in str(caught.value)
            assert "machine's clock" in str(caught.value)
            assert "SSL_CERT_FILE" in str(caught.value)
    assert server.connections == 2
    assert server.requests == []


async def test_pinned() -> None:
    """A certificate that is not the one that a session pins is not trusted either."""
    pin = aiohttp.Fingerprint(b"\0" * 32)
    async with (
        raw_server(ok(), GOOD) as server,
        session(ssl=pin) as ours,
        UpbitExchange(server.url, session=ours) as exchange,
    ):
        with pytest.raises(CertificateError, match="not the one that the session expects"):
            await exchange.markets()
    assert server.requests == []


@pytest.mark.parametrize("mode", ["collect", "get", "stream"])
async def test_not_tried_again(tmp_path: Path, mode: str) -> None:
    """A certificate is mended by a person, not by waiting: each mode tries once and raises it, with nothing stored."""
    asked: dict[str, Any] = {"symbol": "KRW-BTC", "timeframe": "1m", "count": 1000, "to": to_datetime(TO)}
    retry = Retry(attempts=100, base=3600, longest=3600)
    async with (
        raw_server(ok(), GOOD) as server,
        UpbitExchange(server.url) as exchange,
        rxcandles.SqliteStore(tmp_path / "candles.db") as store,
    ):
        provider = rxcandles.CandleDataProvider(
            store, exchange, rxcandles.SlidingWindowLimiter(None), retry=retry, cursors=1
        )
        with pytest.raises(CertificateError, match="TLS failed"):
            if mode == "collect":
                await provider.collect_candles_only(**asked)
            elif mode == "get":
                await provider.get_candles(**asked)
            else:
                async with provider.stream_candles(**asked) as stream:
                    _ = [chunk async for chunk in stream]
        assert await store.series() == []
    assert server.connections == 1


ASK = """
import asyncio, sys
from rxcandles.exchanges import UpbitExchange

async def main():
    async with UpbitExchange(sys.argv[1]) as exchange:
        print(await exchange.markets())

asyncio.run(main())
"""


async def test_ca_of_the_environment(tmp_path: Path) -> None:
    """SSL_CERT_FILE makes a CA known to all of Python's TLS, and so to this, at the command line too."""
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with raw_server(ok(b"[]"), GOOD) as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ASK, server.url, stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "SSL_CERT_FILE": str(tmp_path / "ca.pem")},
        )  # fmt: skip
        assert (await process.communicate())[0] == b"[]\n"
    assert len(server.requests) == 1


def test_no_switch() -> None:
    """Nothing turns it off: no argument, no option of the command line, no such call in the source."""
    names = {name for each in (UpbitExchange, rxcandles.connect) for name in inspect.signature(each).parameters}
    for command in [cli, *cli.commands.values()]:
        names |= {name for parameter in command.params for name in (parameter.name, *parameter.opts)}
    assert {"base_url", "--base-url", "session"} <= names
    assert not [name for name in names for part in ("ssl", "tls", "verif", "cert", "insecure") if part in name]
    for path in Path(rxcandles.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        words = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg is not None}
        off = {"ssl", "verify_ssl", "check_hostname", "verify_mode", "CERT_NONE", "trust_env"}
        assert not (used | words) & off, path
        assert "verify" not in words, path
