"""``rxcandles collect``."""

from __future__ import annotations

from typing import Any

import click

from rxcandles.cli import options
from rxcandles.cli.console import LastProgress, summary_json, summary_text
from rxcandles.cli.jobs import Job, run_job
from rxcandles.errors import IncompleteError
from rxcandles.provider import CandleDataProvider

__all__ = ["collect"]


@click.command()
@options.asked
@options.as_json
def collect(as_json: bool, **asked: Any) -> options.Work:
    """Store candles; what is stored already is not fetched again."""
    job = Job(order="newest_first", **asked)

    async def work(provider: CandleDataProvider, progress: LastProgress) -> int:
        try:
            summary, failure = await provider.collect_candles_only(**job.asked, progress_callback=progress), None
        except IncompleteError as error:
            summary, failure = error.summary, error
        click.echo(summary_json(summary) if as_json else summary_text(summary, job.title, job.db))
        if failure is not None:
            raise failure
        return 0

    return lambda: run_job(job, work)
