"""The command line: one module for each command, or for a few that belong together."""

from __future__ import annotations

from collections.abc import Sequence

import click

from rxcandles import __version__
from rxcandles.cli.charting import chart
from rxcandles.cli.checking import repair, verify
from rxcandles.cli.collecting import collect
from rxcandles.cli.completing import completion
from rxcandles.cli.coverage import coverage
from rxcandles.cli.exporting import export
from rxcandles.cli.importing import import_file
from rxcandles.cli.jobfile import run
from rxcandles.cli.markets import markets
from rxcandles.cli.planning import plan
from rxcandles.cli.printing import get, no_reader, stream
from rxcandles.cli.simulating import simulate
from rxcandles.cli.text import echo, lenient_streams
from rxcandles.errors import RequestError, RxCandlesError

__all__ = ["run_command_line"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="rxcandles")
def cli() -> None:
    """Collect exchange candles into a SQLite file, completely, and print them.

    \b
    rxcandles collect KRW-BTC 1m --count 20000
    rxcandles plan KRW-BTC KRW-ETH 1m --last 30d
    rxcandles get KRW-BTC 1d --end 2024-01-01 --format csv
    rxcandles coverage
    """


for _command in (
    collect, plan, run, get, stream, markets, coverage, chart, export, import_file, verify, repair, simulate,
    completion,
):  # fmt: skip
    cli.add_command(_command)


def run_command_line(arguments: Sequence[str] | None = None) -> int:
    """Run one command; every mistake is one line on stderr and an exit code, never a traceback."""
    lenient_streams()
    try:
        work = cli.main(None if arguments is None else list(arguments), "rxcandles", standalone_mode=False)
        return work() if callable(work) else 0
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption) and error.option_name == "--from" and _has_since(error.ctx):
            error = click.UsageError(f"{error.message} Did you mean --since?", error.ctx)
        return _say(error.format_message(), 2 if isinstance(error, click.UsageError) else 1)
    except RequestError as error:
        return _say(str(error), 2)
    except RxCandlesError as error:
        return _say(str(error), 1)
    except KeyboardInterrupt as error:
        return _say(str(error) or "stopped", 130)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            return _say(str(error), 1)
        no_reader()
        return 1  # not everything that was asked for is held


def _has_since(context: click.Context | None) -> bool:
    return context is not None and any("--since" in each.opts for each in context.command.params)


def _say(message: str, code: int) -> int:
    echo("rxcandles: " + " ".join(message.split()), err=True)
    return code
