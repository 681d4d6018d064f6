"""``rxcandles get`` and ``rxcandles stream``: candles on stdout."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from rxcandles.cli import options, outputs
from rxcandles.cli.console import format_candles
from rxcandles.cli.display import LastProgress
from rxcandles.cli.jobs import Job, run_job
from rxcandles.cli.provisional import Doubts, Seen, impossible_text, tell_doubts
from rxcandles.cli.text import echo
from rxcandles.model import CandleData
from rxcandles.provider import CandleDataProvider
from rxcandles.reports import CollectionConfig

__all__ = ["get", "stream"]

CUT_SHORT: Final = 141
"""Exit code of a stream whose reader had enough, as shells report it of other programs (128 + SIGPIPE)."""


@click.command()
@options.asked
@options.printed
@options.refetch
def get(style: str, refetch: bool, **asked: Any) -> options.Work:
    """Collect candles, then print them.

    \b
    rxcandles get KRW-BTC 1m --count 10
    rxcandles get KRW-BTC 1d --since 2024-01-01 --format csv > btc.csv
    """
    job = Job(**asked)

    async def work(provider: CandleDataProvider, progress: LastProgress) -> tuple[Sequence[CandleData], Doubts]:
        config = CollectionConfig(enable_memory_warning=False)
        seen = Seen(job.request)
        candles = await provider.get_candles(
            **job.asked, config=config, order=job.order, progress_callback=progress, refetch=refetch
        )
        seen.add(candles)
        revised = progress.progress.revised if progress.progress else 0
        store = provider.repository
        return candles, Doubts(await seen.provisional(store), revised, await seen.impossible(store))

    def show() -> int:
        # After the event loop, which would keep Ctrl-C waiting behind a slow reader; everything is held by now.
        candles, doubts = run_job(job, work)
        for line in format_candles(candles, style):
            if outputs.fault() is not None:
                break
            echo(line)
        return _tell(job, doubts)

    return show


@click.command()
@options.asked
@options.printed
@options.refetch
def stream(style: str, refetch: bool, **asked: Any) -> options.Work:
    """Print candles chunk by chunk while they are collected.

    \b
    rxcandles stream KRW-BTC 1m --last 30d --format jsonl | gzip > btc.jsonl.gz
    """
    job = Job(**asked)

    async def work(provider: CandleDataProvider, progress: LastProgress) -> Doubts | int:
        seen = Seen(job.request)
        chosen = provider.stream_candles(**job.asked, order=job.order, progress_callback=progress, refetch=refetch)
        async with chosen as chunks:
            async for candles, meta in chunks:
                for line in format_candles(candles, style, header=meta.chunk_index == 0):
                    echo(line)
                if outputs.fault() is not None:
                    return CUT_SHORT if outputs.reader_left() else 1
                seen.add(candles)
        store = provider.repository
        return Doubts(await seen.provisional(store), chunks.stats().revised, await seen.impossible(store))

    def show() -> int:
        # On a terminal the candles themselves show how far it is.
        done = run_job(job, work, live=not sys.stdout.isatty())
        if isinstance(done, int):
            return done
        return _tell(job, done)

    return show


def _tell(job: Job, doubts: Doubts) -> int:
    """Say what is not sure; return 1 where a candle is left out."""
    if not job.quiet:
        tell_doubts({job.title: doubts})
    if doubts.impossible:
        echo(f"rxcandles: {job.title}: {impossible_text(doubts.impossible)}", err=True)
    return 1 if doubts.impossible else 0
