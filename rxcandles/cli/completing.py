"""``rxcandles completion``, and what the shell completes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import click

from rxcandles.cli import options
from rxcandles.cli.running import run_async
from rxcandles.errors import RxCandlesError
from rxcandles.integrity.snapshot import Snapshot
from rxcandles.ports import Series

__all__ = ["completion", "stored_names", "stored_symbols"]

SHELLS: Final = ("bash", "zsh", "fish")

_PLAIN: Final = re.compile(r"\w[\w.@:/-]*")
"""Letters and digits of any script, and signs that mean nothing to a shell."""


@click.command(
    help="""Print a shell script for Tab completion of commands, options, stored markets and timeframes.

    \b
    eval "$(rxcandles completion bash)"                              # in ~/.bashrc
    eval "$(rxcandles completion zsh)"                               # in ~/.zshrc
    rxcandles completion fish > ~/.config/fish/completions/rxcandles.fish
    """
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> options.Work:
    """Print a shell script for Tab completion of commands, options, stored markets and timeframes."""
    group = context.find_root().command

    def work() -> int:
        from click.shell_completion import get_completion_class

        kind = get_completion_class(shell)
        if kind is None:
            raise click.UsageError(f"this version of click can't complete for {shell}")
        click.echo(kind(group, {}, "rxcandles", "_RXCANDLES_COMPLETE").source())
        return 0

    return work


def stored_symbols(context: click.Context, incomplete: str) -> list[str]:
    """Return the symbols that the database of the command line holds and that begin so; none where there is none."""
    return _begin_so({series.symbol for series in _stored(context)}, incomplete)


def stored_names(context: click.Context, incomplete: str) -> list[str]:
    """Return the names under which that database holds candles and that begin so."""
    return _begin_so({series.exchange for series in _stored(context)}, incomplete)


def _begin_so(words: Iterable[str], beginning: str) -> list[str]:
    """Return the words that begin so and that no shell does anything with: what is completed is run as it stands."""
    return sorted(each for each in words if each.startswith(beginning) and _PLAIN.fullmatch(each))


def _stored(context: click.Context) -> list[Series]:
    path = context.params.get("db") or options.DB
    if not options.is_there(path):
        return []
    with suppress(RxCandlesError):  # a shell that completes has no place for an error; the command itself will say it
        return run_async(_series(path))
    return []


async def _series(path: str) -> list[Series]:
    # Whoever presses Tab has asked for nothing to be written.
    async with Snapshot(path) as snapshot:
        return await snapshot.call(
            lambda connection: [
                Series(*map(str, names))
                for names in connection.execute("SELECT exchange, symbol, timeframe FROM series").fetchall()
            ]
        )
