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
from rxcandles.model import CandleData
from rxcandles.provider import CandleDataProvider
from rxcandles.reports import CollectionConfig

__all__ = ["get", "stream"]

CUT_SHORT: Final = 141
"""Exit code of a stream whose reader had enough, as shells report it of other programs (128 + SIGPIPE)."""


@click.command()
@options.asked
@options.printed
def get(style: str, **asked: Any) -> options.Work:
    """Collect candles, then print them.

    \b
    rxcandles get KRW-BTC 1m --count 10
    rxcandles get KRW-BTC 1d --since 2024-01-01 --format csv > btc.csv
    """
    job = Job(**asked)

    async def work(provider: CandleDataProvider, progress: LastProgress) -> Sequence[CandleData]:
        config = CollectionConfig(enable_memory_warning=False)
        return await provider.get_candles(**job.asked, config=config, order=job.order, progress_callback=progress)

    def show() -> int:
        # After the event loop, which would keep Ctrl-C waiting behind a slow reader; everything is held by now.
        candles = run_job(job, work)
        for line in format_candles(candles, style):
            if outputs.fault() is not None:
                break
            click.echo(line)
        return 0

    return show


@click.command()
@options.asked
@options.printed
def stream(style: str, **asked: Any) -> options.Work:
    """Print candles chunk by chunk while they are collected.

    \b
    rxcandles stream KRW-BTC 1m --last 30d --format jsonl | gzip > btc.jsonl.gz
    """
    job = Job(**asked)

    async def work(provider: CandleDataProvider, progress: LastProgress) -> int:
        async with provider.stream_candles(**job.asked, order=job.order, progress_callback=progress) as chunks:
            async for candles, meta in chunks:
                for line in format_candles(candles, style, header=meta.chunk_index == 0):
                    click.echo(line)
                if outputs.fault() is not None:
                    return CUT_SHORT if outputs.reader_left() else 1
        return 0

    # On a terminal the candles themselves show how far it is.
    return lambda: run_job(job, work, live=not sys.stdout.isatty())
