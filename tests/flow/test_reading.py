"""One reader a stream; and a stream may be left while somebody reads it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import rxcandles
from rxcandles.errors import RequestError
from rxcandles.flow import Stream, from_demand, map_async, with_backpressure
from tests.support.virtualloop import run_virtual


async def step(value: int) -> int:
    await asyncio.sleep(0.01)
    return value


def numbers(count: int = 10**6) -> Stream[int]:
    return from_demand(range(count)).pipe(map_async(step), with_backpressure(2))


async def read(stream: Any, wait: float = 0) -> list[Any]:
    got = []
    async for value in stream:
        got.append(value)
        await asyncio.sleep(wait)
    return got


def test_two_readers() -> None:
    """The second gets an error at once; the first goes on to the end, and leaving is quiet."""

    async def scenario() -> None:
        async with numbers(100) as stream:
            first, second = await asyncio.gather(read(stream), read(stream), return_exceptions=True)
        assert first == list(range(100))
        assert isinstance(second, RequestError)
        assert "one reader a stream" in str(second)

    run_virtual(scenario())


@pytest.mark.parametrize("wait", [0, 0.5], ids=["waiting for an item", "between two"])
@pytest.mark.parametrize("error", [None, KeyError("mine")], ids=["leaves", "raises"])
def test_left_while_it_is_read(wait: float, error: Exception | None) -> None:
    """The block's own error comes out, or none; the reader hears that what it has is not all; no task is left."""

    async def scenario() -> None:
        raised: BaseException | None = None
        try:
            async with numbers() as stream:
                reader = asyncio.create_task(read(stream, wait))
                await asyncio.sleep(1.2)
                if error is not None:
                    raise error
        except KeyError as caught:
            raised = caught
        assert raised is error
        with pytest.raises(RequestError, match="was left before its end"):
            await reader
        assert stream.stats().tasks == 0
        assert len(asyncio.all_tasks()) == 1

    run_virtual(scenario())


def test_after_the_end() -> None:
    """A stream that has come to its end stays at it, also after it is closed; a read that was cancelled is told of."""

    async def scenario() -> None:
        async with numbers(3) as stream:
            assert await read(stream) == [0, 1, 2]
            assert await read(stream) == []
        assert await read(stream) == []
        stream = numbers()
        assert await anext(stream) == 0
        await stream.aclose()
        assert await read(stream) == []  # who has left it knows that
        stream = numbers()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(read(stream), 0.1)
        for _ in range(2):
            with pytest.raises(RequestError, match="left before its end"):
                await anext(stream)

    run_virtual(scenario())


def test_a_providers_stream(tmp_path: Any) -> None:
    """So it is with the provider's own: one reader, and the block's own error where it is left while that reads."""

    async def scenario() -> None:
        async with rxcandles.connect(tmp_path / "a.db", exchange="simulated", rate_limit=None) as provider:
            async with provider.stream_candles("KRW-BTC", "1m", count=3000) as stream:
                first, second = await asyncio.gather(read(stream), read(stream), return_exceptions=True)
            assert sum(len(candles) for candles, _ in first) == 3000
            assert isinstance(second, RequestError)
            began = asyncio.Event()

            async def begin(stream: Any) -> None:
                await anext(stream)
                began.set()
                await read(stream)

            with pytest.raises(KeyError, match="mine"):
                async with provider.stream_candles("KRW-BTC", "1m", count=100_000) as stream:
                    reader = asyncio.create_task(begin(stream))
                    await began.wait()
                    raise KeyError("mine")
            with pytest.raises(RequestError, match="left before its end"):
                await reader
            assert stream.stats().tasks == 0

    asyncio.run(scenario())
