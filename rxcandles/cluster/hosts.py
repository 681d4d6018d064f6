"""The providers that a worker has open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import attrs

from rxcandles.cluster.host import Collecting, Host

__all__ = ["Hosts"]

REST: Final = 60.0
"""Seconds without a job after which a provider is closed."""


@attrs.define(eq=False)
class _Kept:
    opening: AbstractAsyncContextManager[Collecting] | None = None
    provider: Collecting | None = None
    users: int = 0
    lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    timer: asyncio.TimerHandle | None = None


class Hosts:
    """One provider for each host: one store, one session and one limiter, for all jobs that come here.

    A provider is opened for the first job, and closed if there is none for a minute.

    * ``source``: the address of this machine that all send from.
    """

    def __init__(self, source: str | None) -> None:
        self._source = source
        self._kept: dict[Host, _Kept] = {}
        self._closing: set[asyncio.Task[object]] = set()

    @property
    def open(self) -> int:
        """How many are open."""
        return sum(each.provider is not None for each in self._kept.values())

    @asynccontextmanager
    async def provider(self, host: Host) -> AsyncIterator[Collecting]:
        """Yield the provider of a host, which stays open while the block runs."""
        kept = self._kept.setdefault(host, _Kept())
        if kept.timer is not None:
            kept.timer.cancel()
        kept.users += 1
        try:
            async with kept.lock:
                if kept.provider is None:
                    opening = host.opening(self._source)
                    kept.provider = await opening.__aenter__()
                    kept.opening = opening
            yield kept.provider
        finally:
            kept.users -= 1
            if kept.users == 0:
                kept.timer = asyncio.get_running_loop().call_later(REST, self._rest, host, kept)

    def _rest(self, host: Host, kept: _Kept) -> None:
        if kept.users or self._kept.pop(host, None) is not kept or kept.opening is None:
            return
        task = asyncio.ensure_future(kept.opening.__aexit__(None, None, None))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all of them; no job may run."""
        for host, kept in list(self._kept.items()):
            if kept.timer is not None:
                kept.timer.cancel()
            self._rest(host, kept)
        if self._closing:
            await asyncio.wait(self._closing)
