"""How a command that runs for months tells that it is well: a port to ask, and a file that is written again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC
from pathlib import Path
from typing import Final

import attrs

from rxcandles.cli.text import echo
from rxcandles.cli.times import ZONE
from rxcandles.errors import RequestError
from rxcandles.live.feed import Feed
from rxcandles.ports import CandleStore
from rxcandles.serve.health import Health
from rxcandles.util.files import check_replaceable, replacing

__all__ = ["Watching"]

BEAT: Final = 5.0
"""Seconds between two writes of the file."""
FIRST: Final = 0.5
"""Seconds between two looks until it was written once."""


@attrs.frozen
class Watching:
    """How to tell that all is well; by default not at all."""

    health: int | None = None
    """Port of this machine that answers."""
    heartbeat: str | None = None
    """File that is written while all is well."""
    log_file: str | None = None
    """File that the log is written to as well."""
    serve: int | None = None
    """Port of a page that shows the markets."""
    host: str = "127.0.0.1"
    """Address of that page."""

    def check(self, db: str) -> None:
        """Raise RequestError if a file that is written here is another one that the command needs."""
        needed = {Path(db).resolve(): "the database"}
        for option, path in (("--log-file", self.log_file), ("--heartbeat", self.heartbeat)):
            if path is None:
                continue
            if (what := needed.get(Path(path).resolve())) is not None:
                raise RequestError(f"{option} is {path!r}, which is {what}; give another file")
            needed[Path(path).resolve()] = "the file of the log"

    @asynccontextmanager
    async def serving(self, feed: Feed, store: CandleStore, *, quiet: bool) -> AsyncIterator[str]:
        """Serve the page while the block runs, and yield its address; raise RequestError if that can't be done."""
        from rxcandles.serve import serve_page

        assert self.serve is not None
        async with serve_page(
            feed, store, port=self.serve, host=self.host, tz=None if ZONE.get() is UTC else ZONE.get()
        ) as page:
            if not quiet:
                echo(f"page: {page.url}", err=True)
            yield page.url

    @asynccontextmanager
    async def telling(self, look: Callable[[], Health], *, quiet: bool) -> AsyncIterator[None]:
        """Tell how it goes while the block runs; raise RequestError if that can't be done as asked."""
        async with AsyncExitStack() as stack:
            if self.heartbeat is not None:
                path, over = check_replaceable(self.heartbeat, force=True), asyncio.Event()
                task = asyncio.create_task(_beating(path, look, over), name="heartbeat")
                stack.push_async_callback(_ended, task, over)
            if self.health is not None:
                from rxcandles.serve.healthserver import HealthServer

                server = await stack.enter_async_context(HealthServer(look, self.health))
                if not quiet:
                    echo(f"health: {server.url}", err=True)
            yield


async def _ended(task: asyncio.Task[None], over: asyncio.Event) -> None:
    over.set()
    await task


async def _beating(path: Path, look: Callable[[], Health], over: asyncio.Event) -> None:
    """Write the file again and again while all is well; a full disk is no reason to stop."""
    wait, said = FIRST, False
    while not over.is_set():
        health = look()
        if health.ok:
            try:
                await asyncio.to_thread(_write, path, json.dumps(health.to_dict()) + "\n")
                wait, said = BEAT, False
            except OSError as error:
                if not said:
                    echo(f"rxcandles: {path} can't be written, and following goes on: {error}", err=True)
                said = True
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await over.wait()


def _write(path: Path, text: str) -> None:
    with replacing(path, force=True) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
