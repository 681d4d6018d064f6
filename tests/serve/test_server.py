"""The server: who may read what, how it says no, and how it ends."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from rxcandles import RequestError, SqliteStore, StoreError
from rxcandles.serve import PageServer, events, serve_page
from rxcandles.serve.guard import refusal_of
from tests.serve.stream import Event, parsed
from tests.support.fakefeed import FakeFeed, row_at

BTC = "KRW-BTC"
START = 1_704_067_200


@pytest.fixture
async def feed() -> AsyncIterator[FakeFeed]:
    async with SqliteStore(":memory:") as store:
        yield FakeFeed(store, [BTC])


@pytest.fixture
async def server(feed: FakeFeed) -> AsyncIterator[PageServer]:
    async with serve_page(feed, feed.store, port=0) as serving:
        yield serving


@pytest.fixture
async def http(server: PageServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session


async def next_event(answer: aiohttp.ClientResponse) -> Event | None:
    """The next event of a stream; None for the end of it."""
    async with asyncio.timeout(5):
        try:
            raw = await answer.content.readuntil(b"\n\n")
        except asyncio.IncompleteReadError:
            return None
    return parsed(raw) if raw else None


async def test_the_page_loads_nothing_from_elsewhere(http: aiohttp.ClientSession) -> None:
    """Its policy allows only its own script and its own events; it is never kept, and no other site may have it."""
    async with http.get("/") as answer:
        text = await answer.text()
        policy = dict(each.split(" ", 1) for each in answer.headers["Content-Security-Policy"].split("; "))
        assert (answer.status, answer.content_type, answer.headers["Cache-Control"]) == (200, "text/html", "no-store")
        assert (policy["default-src"], policy["connect-src"], policy["frame-ancestors"]) == (
            "'none'",
            "'self'",
            "'none'",
        )
        assert re.fullmatch(r"'sha256-[\w+/=]+'", policy["script-src"])
        assert not [name for name in answer.headers if name.startswith("Access-Control")]
        assert (answer.headers["X-Content-Type-Options"], answer.headers["Content-Encoding"]) == ("nosniff", "gzip")
    outside = re.sub(r"<script>.*?</script>", "", text, flags=re.S)
    assert re.findall(r"<(?:link|img|iframe|script)\b", outside) == []
    async with http.get("/", headers={"Accept-Encoding": "identity"}) as answer:
        assert await answer.text() == text
        assert "Content-Encoding" not in answer.headers
    async with http.head("/") as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def test_events_are_not_kept_and_not_packed(http: aiohttp.ClientSession, feed: FakeFeed) -> None:
    """They begin with what is stored; the last of a round names the place."""
    await feed.prove(BTC, START, START + 60, row_at(START))
    async with http.get("/events") as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Content-Encoding" not in answer.headers
        hello = await next_event(answer)
        assert hello is not None
        assert (hello.name, hello.data["symbols"], hello.data["timeframe"]) == ("hello", [BTC], "1m")
        first = await next_event(answer)
        assert first is not None
        assert (first.name, bool(first.id), first.data["state"]) == ("message", True, "live")
        assert (first.data["part"]["whole"], first.data["part"]["close"]) == (True, [90.0])
    async with http.head("/events") as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (200, "text/event-stream", b"")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:{port}", 200),
        ("LOCALHOST:{port}", 200),
        ("127.0.0.1:{port}", 200),
        ("[::1]:{port}", 200),
        ("localhost", 403),
        ("localhost:1", 403),
        ("localhost.:{port}", 403),
        ("evil.example:{port}", 403),
        ("localhost.evil.example:{port}", 403),
        ("127.0.0.1.evil.example:{port}", 403),
        ("192.168.0.2:{port}", 403),
        ("", 403),
    ],
)
async def test_another_name_is_refused(http: aiohttp.ClientSession, server: PageServer, host: str, status: int) -> None:
    """A site whose name points to this machine reads nothing of it; the answer says what to open instead."""
    port = server.url.split(":")[2].strip("/")
    for path in ("/", "/events", "/nothing"):
        async with http.head(path, headers={"Host": host.format(port=port)}) as answer:
            assert answer.status == (404 if status == 200 and path == "/nothing" else status)
    if status == 403:
        async with http.get("/", headers={"Host": host.format(port=port)}) as answer:
            assert (answer.content_type, f"http://localhost:{port}/" in await answer.text()) == ("text/plain", True)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://{host}"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"}, 403),
    ],
)
async def test_another_site_is_refused(
    http: aiohttp.ClientSession, server: PageServer, headers: dict[str, str], status: int
) -> None:
    """A script elsewhere can't have the events, however it asks."""
    host = server.url.split("/")[2]
    async with http.head(
        "/events", headers={name: value.format(host=host) for name, value in headers.items()}
    ) as answer:
        assert answer.status == status


def test_a_link_from_elsewhere_opens_the_page_and_every_name_does_where_all_may_come() -> None:
    """A reader who follows a link is no script; and who serves to a network is called by any name."""
    link = {"Host": "127.0.0.1:8642", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert refusal_of(make_mocked_request("GET", "/", headers=link), "127.0.0.1", 8642) is None
    named = make_mocked_request("GET", "/", headers={"Host": "desk.example:8642"})
    assert refusal_of(named, "0.0.0.0", 8642) is None
    assert refusal_of(named, "127.0.0.1", 8642) is not None
    for name in ("localhost", "[::1]"):
        there = make_mocked_request("GET", "/", headers={"Host": name})
        assert refusal_of(there, "::1", 80) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_nothing_can_be_written(http: aiohttp.ClientSession, method: str) -> None:
    """There are two methods, and they read."""
    async with http.request(method, "/events") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


async def test_there_is_an_end_of_clients(http: aiohttp.ClientSession, server: PageServer) -> None:
    """The 33rd is told so; when one leaves there is room again."""
    open_ones = [await http.get("/events") for _ in range(32)]
    async with http.get("/events") as answer:
        assert (answer.status, "close one" in await answer.text()) == (503, True)
    open_ones[0].close()
    while server.clients == 32:
        await asyncio.sleep(0)
    async with http.get("/events") as answer:
        assert answer.status == 200
    for each in open_ones:
        each.close()


async def test_a_silent_connection_shows_that_it_lives(
    http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comment comes, and a beat for the page, which looks at its clock."""
    monkeypatch.setattr(events, "BEAT", 0.12)
    monkeypatch.setattr(events, "_PACE", 0.01)
    async with http.get("/events") as answer:
        for name in ("hello", "message", "beat", "beat"):
            raw = await answer.content.readuntil(b"\n\n")
            event = parsed(raw)
            assert event is not None
            assert (event.name, raw.startswith(b": ")) == (name, name == "beat")


async def test_ends_at_once_while_clients_are_there(feed: FakeFeed) -> None:
    """Those that listen, one that does not read, one that has asked for nothing yet."""
    async with aiohttp.ClientSession() as http:
        async with serve_page(feed, feed.store, port=0) as serving:
            listening = [await http.get(f"{serving.url}events") for _ in range(3)]
            host, port = serving.url.split("/")[2].split(":")
            _, idle = await asyncio.open_connection(host, int(port))
            assert await next_event(listening[0]) is not None
            began = time.monotonic()
        assert time.monotonic() - began < 1
        for each in listening:
            while await next_event(each) is not None:
                pass
        idle.close()


async def test_a_port_that_is_taken(server: PageServer, feed: FakeFeed) -> None:
    """The error names it and says what to do, and nothing is left behind."""
    port = int(server.url.split(":")[2].strip("/"))
    with pytest.raises(RequestError, match=f"port {port} is taken by another program; end it, or give another port"):
        async with serve_page(feed, feed.store, port=port):
            pass
    with pytest.raises(RequestError, match="host '192.0.2.1' is no address of this machine"):
        async with serve_page(feed, feed.store, port=0, host="192.0.2.1"):
            pass
    with pytest.raises(RequestError, match="port is 70000"):
        serve_page(feed, feed.store, port=70_000)


@pytest.mark.parametrize(("end", "told"), [(None, ""), (StoreError("the file is gone"), "the file is gone")])
async def test_the_end_of_the_feed_is_told(
    http: aiohttp.ClientSession, feed: FakeFeed, end: Exception | None, told: str
) -> None:
    """Also to a page that is opened afterwards."""
    feed.tell(end)
    for _ in range(2):
        async with http.get("/events") as answer:
            while (event := await next_event(answer)) is not None and event.name != "ended":
                pass
            assert event is not None
            assert event.data == told


async def test_trouble_with_the_store_is_told(http: aiohttp.ClientSession, feed: FakeFeed) -> None:
    """The stream ends after it, so that the page comes again."""
    await feed.store.close()
    async with http.get("/events") as answer:
        found = [each async for each in _all(answer)]
    assert [each.name for each in found] == ["hello", "trouble"]
    assert "is closed" in found[1].data


async def _all(answer: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    while (event := await next_event(answer)) is not None:
        yield event


async def test_a_text_of_the_exchange_stays_a_text(http: aiohttp.ClientSession, feed: FakeFeed) -> None:
    """Line ends in a reason make no second event."""
    feed.go(BTC, "stalled", "down\n\nevent: hello\ndata: {}")
    async with http.get("/events") as answer:
        await next_event(answer)
        event = await next_event(answer)
        assert event is not None
        assert event.data["reason"] == "down\n\nevent: hello\ndata: {}"
        assert json.dumps(event.data)
