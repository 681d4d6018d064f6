"""The command line: one file for each command in ``commands``; the files here are what the commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from typing import Final

import click

from rxcandles.cli import outputs
from rxcandles.cli.commands.chart import chart
from rxcandles.cli.commands.collect import collect
from rxcandles.cli.commands.completion import completion
from rxcandles.cli.commands.copy import copy
from rxcandles.cli.commands.coverage import coverage
from rxcandles.cli.commands.export import export
from rxcandles.cli.commands.follow import follow
from rxcandles.cli.commands.get import get
from rxcandles.cli.commands.import_ import import_file
from rxcandles.cli.commands.lake import lake
from rxcandles.cli.commands.markets import markets
from rxcandles.cli.commands.plan import plan
from rxcandles.cli.commands.repair import repair
from rxcandles.cli.commands.run import run
from rxcandles.cli.commands.simulate import simulate
from rxcandles.cli.commands.stream import stream
from rxcandles.cli.commands.verify import verify
from rxcandles.cli.commands.worker import worker
from rxcandles.cli.groups import WholeGroup, show_help
from rxcandles.cli.objects import OBJECTS
from rxcandles.cli.text import echo, lenient_streams
from rxcandles.cli.times import ZONE, at_home
from rxcandles.errors import RequestError, RxCandlesError
from rxcandles.exchanges.contact import PATIENCE
from rxcandles.model.moments import default_zone
from rxcandles.util.files import remove_unfinished
from rxcandles.util.stopping import STOPPING
from rxcandles.version import VERSION

__all__ = ["run_command_line"]

SHORT: Final = 1.5
"""Default of ``--patience`` in seconds: how long to try a server that was never reached, while a person waits."""


@click.group(
    cls=WholeGroup,
    help="""Collect exchange candles into a SQLite file without gaps, and print, draw or export them.

    \b
    rxcandles plan KRW-BTC 1m --last 30d                 # what it would cost
    rxcandles collect KRW-BTC KRW-ETH 1m --count 20000   # download and store
    rxcandles coverage                                   # what is stored
    rxcandles get KRW-BTC 1d --since 2024-01-01 --format csv

    To try a command without a network, add --exchange simulated: a built-in exchange with invented candles.

    \b
    Words:
      series      one market in one timeframe: KRW-BTC 1m (m is minutes, M is months)
      slot        the time of one candle; empty if nobody traded, or the exchange was down
      covered     the exchange was asked: all candles that exist there are stored
      proven      the word for "covered" in JSON, CSV and Parquet
      gap         a span that is not covered; collect again to fetch it
      missing     slots in gaps
      provisional empty by one answer only; a later run asks again
      impossible  missing, because the exchange sent values that can't be true;
                  a later run asks again
      imported    read from a file of another tool; the exchange was not asked
      sealed      covered, with the candles in a lake only (see lake --help)
    """,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.version_option(VERSION, prog_name="rxcandles")
@click.pass_context
def cli(context: click.Context) -> None:
    """Print the help if no command is given."""
    show_help(context)


for _command in (
    collect, plan, run, get, stream, follow, markets, coverage, chart, export, lake, import_file, copy, verify, repair,
    worker, simulate, completion,
):  # fmt: skip
    cli.add_command(_command)


def run_command_line(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; print an error as one line on stderr, never as a traceback.

    Without ``arguments`` the command owns stdout and stderr: if one of them fails, the work continues.
    """
    if arguments is not None:
        lenient_streams()
        return _ended(lambda: _done(list(arguments)))
    outputs.guard()
    STOPPING.before_leaving(remove_unfinished)
    STOPPING.before_leaving(OBJECTS.write_stopped)
    code = _ended(lambda: _done(None))
    fault = outputs.finish()
    if fault is None:
        return code
    return _say(f"stdout can't be written to: {fault.strerror}; not everything was printed", code or 1)


def _done(arguments: list[str] | None) -> int:
    work = cli.main(arguments, "rxcandles", standalone_mode=False)
    return work() if callable(work) else 0


def _ended(work: Callable[[], int]) -> int:
    """Run a command and return its exit code; if it fails, print why."""
    patience, zone = PATIENCE.set(SHORT), ZONE.set(_usual_zone())
    OBJECTS.begin()
    try:
        return work()
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption) and error.option_name == "--from" and _has(error.ctx, "--since"):
            error = click.UsageError(f"{error.message} Did you mean --since?", error.ctx)
        elif isinstance(error, click.NoSuchOption) and error.option_name == "--json" and _has(error.ctx, "--format"):
            error = click.UsageError(f"{error.message} Did you mean --format jsonl?", error.ctx)
        elif isinstance(error, click.MissingParameter) and error.ctx is not None:
            what = error.format_message().partition("'.")[0]  # without a list of choices on lines of their own
            error = click.UsageError(f"{what}'; `{error.ctx.command_path} --help` has examples", error.ctx)
        return _say(error.format_message(), 2 if isinstance(error, click.UsageError) else 1)
    except RequestError as error:
        return _say(str(error), 2)
    except (RxCandlesError, OSError) as error:
        return _say(str(error), 1)
    except (KeyboardInterrupt, click.Abort) as error:
        if STOPPING.number is not None and STOPPING.said():
            return STOPPING.code
        OBJECTS.tell_stopped()
        return _say(str(error) or "stopped", STOPPING.code)
    finally:
        PATIENCE.reset(patience)
        ZONE.reset(zone)


def _usual_zone() -> tzinfo:
    try:
        return default_zone(None)
    except RequestError:  # a command that reads or shows times raises it later
        return UTC


def _has(context: click.Context | None, option: str) -> bool:
    return context is not None and any(option in each.opts for each in context.command.params)


def _say(message: str, code: int) -> int:
    echo("rxcandles: " + at_home(" ".join(message.split())), err=True)
    return code
