"""A worker has one provider for each host, opened for the first job and closed after a rest; Dask has no part in it."""

from __future__ import annotations

import asyncio

import pytest

from rxcandles import StoreError
from rxcandles.cluster import hosts
from rxcandles.cluster.host import Host
from rxcandles.cluster.hosts import Hosts
from tests.support.virtualloop import run_virtual

OPENED: list[tuple[object, ...]] = []
FAILS: list[Exception] = []


class Opening:
    """What ``connect`` gives."""

    def __init__(self, *given: object, **options: object) -> None:
        self.given = (*given, options)

    async def __aenter__(self) -> Opening:
        await asyncio.sleep(1)
        if FAILS:
            raise FAILS.pop()
        OPENED.append(self.given)
        return self

    async def __aexit__(self, *error: object) -> None:
        OPENED.remove(self.given)


@pytest.fixture(autouse=True)
def _empty() -> None:
    OPENED.clear()
    FAILS.clear()


ONE = Host.of(Opening, "postgresql://me:secret@host/a", "upbit", {"rate_limit": 5})  # type: ignore[arg-type]
OTHER = Host.of(Opening, "postgresql://me:secret@host/b", "upbit", {})  # type: ignore[arg-type]


def test_shared_and_closed_after_a_rest() -> None:
    """Jobs at the same time share it, and so does a later one; after a minute without any it is closed."""

    async def scenario() -> None:
        there = Hosts("10.0.0.7")

        async def job(host: Host, seconds: float) -> object:
            async with there.provider(host) as provider:
                await asyncio.sleep(seconds)
                return provider

        a, b, c = await asyncio.gather(job(ONE, 5), job(ONE, 9), job(OTHER, 1))
        assert a is b
        assert a is not c
        assert OPENED[0] == (ONE.store, "upbit", {"source_address": "10.0.0.7", "rate_limit": 5})
        await asyncio.sleep(hosts.REST - 10)
        assert there.open == 2
        assert await job(OTHER, 1) is c
        await asyncio.sleep(11)
        assert there.open == len(OPENED) == 1
        await there.close()
        assert there.open == len(OPENED) == 0

    run_virtual(scenario())


def test_what_cannot_be_opened_is_tried_again() -> None:
    """The error is that of each job that waits, and the next job opens anew."""

    async def scenario() -> None:
        there = Hosts(None)
        FAILS.extend([StoreError("down"), StoreError("down")])
        for _ in range(2):
            with pytest.raises(StoreError):
                async with there.provider(ONE):
                    pass
        async with there.provider(ONE):
            assert there.open == 1
        await there.close()
        assert OPENED == []

    run_virtual(scenario())


def test_shows_no_password() -> None:
    """A host is shown without its store, since that may have a password."""
    assert "secret" not in repr(ONE)
