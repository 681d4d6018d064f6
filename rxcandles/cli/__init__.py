"""The command line: a file for each command in ``commands``, and beside it what they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from typing import Final

import click

from rxcandles.cli import outputs
from rxcandles.cli.commands.chart import chart
from rxcandles.cli.commands.collect import collect
from rxcandles.cli.commands.completion import completion
from rxcandles.cli.commands.coverage import coverage
from rxcandles.cli.commands.export import export
from rxcandles.cli.commands.get import get
from rxcandles.cli.commands.import_ import import_file
from rxcandles.cli.commands.markets import markets
from rxcandles.cli.commands.plan import plan
from rxcandles.cli.commands.repair import repair
from rxcandles.cli.commands.run import run
from rxcandles.cli.commands.simulate import simulate
from rxcandles.cli.commands.stream import stream
from rxcandles.cli.commands.verify import verify
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
"""Seconds to try to reach a server that was never reached, where ``--patience`` says nothing: people wait for it."""


class _Whole(click.Group):
    """Lists its commands with their first sentence, whole: an ending of dots tells nobody what a command does."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [(name, self.commands[name]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(1000)) for name, command in commands])


@click.group(
    cls=_Whole,
    help="""Collect exchange candles into a SQLite file without gaps, and print, draw or export them.

    \b
    rxcandles collect KRW-BTC 1m --count 20000
    rxcandles plan KRW-BTC KRW-ETH 1m --last 30d
    rxcandles get KRW-BTC 1d --since 2024-01-01 --format csv
    rxcandles coverage

    \b
    Words:
      series      one market in one timeframe, such as KRW-BTC 1m (m is minutes, M months)
      slot        the time of one candle; without a trade in it there is no candle
      proven      the exchange was asked: every candle that exists there is stored
      missing     nobody asked yet; collecting again fetches it
      provisional empty by one answer, and asked about again later
      impossible  missing, for the exchange's candle can't be true; collecting again asks for it
    """,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.version_option(VERSION, prog_name="rxcandles")
@click.pass_context
def cli(context: click.Context) -> None:
    """Collect exchange candles into a SQLite file without gaps, and print, draw or export them."""
    if context.invoked_subcommand is None:
        echo(*context.get_help().splitlines())


for _command in (
    collect, plan, run, get, stream, markets, coverage, chart, export, import_file, verify, repair, simulate,
    completion,
):  # fmt: skip
    cli.add_command(_command)


def run_command_line(arguments: Sequence[str] | None = None) -> int:
    """Run one command; every mistake is one line on stderr and an exit code, never a traceback.

    Without ``arguments`` stdout and stderr are this command's own, and a fault of theirs ends nothing.
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
    return _say(f"stdout can't be written to: {fault.strerror}", code or 1)


def _done(arguments: list[str] | None) -> int:
    work = cli.main(arguments, "rxcandles", standalone_mode=False)
    return work() if callable(work) else 0


def _ended(work: Callable[[], int]) -> int:
    """Return the exit code of a command, and say why where it could not do its work."""
    patience, zone = PATIENCE.set(SHORT), ZONE.set(_usual_zone())
    OBJECTS.begin()
    try:
        return work()
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption) and error.option_name == "--from" and _has(error.ctx, "--since"):
            error = click.UsageError(f"{error.message} Did you mean --since?", error.ctx)
        elif isinstance(error, click.NoSuchOption) and error.option_name == "--json" and _has(error.ctx, "--format"):
            error = click.UsageError(f"{error.message} Did you mean --format jsonl?", error.ctx)
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
    except RequestError:  # a command that has to do with times says so
        return UTC


def _has(context: click.Context | None, option: str) -> bool:
    return context is not None and any(option in each.opts for each in context.command.params)


def _say(message: str, code: int) -> int:
    echo("rxcandles: " + at_home(" ".join(message.split())), err=True)
    return code
