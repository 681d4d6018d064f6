"""What the commands have in common: their options, what the values of these may be, and the three objects made of them.

A command says which options it has, in the order of its help, and last :data:`gathered`: then it is called with what is
wanted, the place, and the output, instead of with each option.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import wraps
from typing import Any, Final, TypeAlias, TypeVar

import attrs
import click

from rxcandles.cli.console import FORMATS
from rxcandles.cli.display import Output
from rxcandles.cli.place import Place
from rxcandles.cli.stored import stored_names, stored_symbols
from rxcandles.cli.time_options import Word, count_option, length_option, patience_said, time_option, zone_option
from rxcandles.cli.wanted import Wanted
from rxcandles.errors import RequestError
from rxcandles.exchanges.contact import PATIENCE
from rxcandles.model.advice import USUAL_DB
from rxcandles.model.naming import EXCHANGES
from rxcandles.model.timeframe import TIMEFRAMES
from rxcandles.modes.connect import OwnRate
from rxcandles.util.arguments import check_rate

__all__ = ["Option", "Work", "rate", "takes", "together"]


Work: TypeAlias = Callable[[], int]
"""What a command comes to: click only reads the command line, since it would also handle Ctrl-C and closed pipes."""

Option: TypeAlias = Callable[[Any], Any]

_A = TypeVar("_A")


def _as_type(read: Callable[[str], _A]) -> Callable[[str | _A], _A]:
    """Return ``read`` as click wants it, which else would hide what is wrong."""

    def typed(value: str | _A) -> _A:
        if not isinstance(value, str):
            return value
        try:
            return read(value)
        except RequestError as error:
            raise click.BadParameter(str(error)) from None

    return typed


def rate(value: str | OwnRate) -> float | OwnRate | None:
    """Return the requests a second that an option says; None for no limit."""
    if isinstance(value, OwnRate):
        return value
    if value == "none":
        return None
    try:
        return check_rate("rate", float(value))
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no rate; give requests a second, 0.00001 to 1000000, or none for no limit"
        ) from None


def together(*options: Option) -> Option:
    """Return all ``options`` as one, in their order in the help."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def takes(**kinds: type) -> Option:
    """Let a command be called with objects, each made of those of its options that are fields of a kind.

    An object is made where the command has any option for it: ``takes(place=Place)`` gives a ``place``.
    """
    fields = {name: {each.alias for each in attrs.fields(kind) if each.init} for name, kind in kinds.items()}

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def called(**values: Any) -> Any:
            made = {}
            for name, kind in kinds.items():
                if mine := {each: values.pop(each) for each in [*values] if each in fields[name]}:
                    made[name] = kind(**mine)
            return command(**values, **made)

        return called

    return decorate


gathered: Final = takes(place=Place, wanted=Wanted, output=Output)
"""Gives a command where, what, and how it is told, of whatever options it has for these."""


def _split(context: click.Context, parameter: click.Parameter, value: Sequence[str]) -> list[str]:
    return [each for listed in value for each in listed.split(",")]


def _stored_symbols(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return stored_symbols(context, incomplete)


def _stored_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return stored_names(context, incomplete)


def _timeframes(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [each.name for each in TIMEFRAMES if each.name.startswith(incomplete)]


def _words(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return _stored_symbols(context, parameter, incomplete) + _timeframes(context, parameter, incomplete)


def _patient(context: click.Context, parameter: click.Parameter, value: timedelta | None) -> None:
    if value is not None:
        PATIENCE.set(min(value.total_seconds(), 86_400.0))


def output_path(more: str = "") -> Option:
    """Return ``-o`` of a command that writes a file for each series."""
    return click.option(
        "-o", "--output", "path", metavar="PATH",
        help="File, or - for stdout. For several series a folder, or a name with {symbol} and {timeframe}." + more,
    )  # fmt: skip


def against_exchange(what: str) -> Option:
    """Return the option that compares some pages with the exchange."""
    return click.option("--against-exchange", "sample", type=click.IntRange(1, 1_000_000), metavar="SAMPLE", help=what)


db: Final = click.option("--db", default=USUAL_DB, show_default=True, help="Database file; created if missing.")
existing_db: Final = click.option("--db", default=USUAL_DB, show_default=True, help="Database file.")
patience: Final = click.option(
    "--patience", type=_as_type(patience_said), metavar="TIME", expose_value=False, callback=_patient,
    help="How long to keep trying while the server has never answered: 30s, 5m.  [default: 1.5s]",
)  # fmt: skip
connection: Final = together(
    click.option("--exchange", type=click.Choice(EXCHANGES), default=EXCHANGES[0], show_default=True,
                 help="Where candles come from; simulated is a built-in fake Upbit, for trying things out."),
    click.option("--base-url", metavar="URL",
                 help="Another server with the same API. Its candles are stored separately, as EXCHANGE@HOST:PORT."),
    click.option("--name", shell_complete=_stored_names,
                 help="Name to store candles of --base-url under; the exchange's own for a mirror or proxy of it."),
    click.option("--rate-limit", type=rate, metavar="N|none", default=OwnRate.OWN,
                 help="Requests per second, or none for no limit; by default the limit of the exchange."),
    patience,
)  # fmt: skip
"""Where candles come from: fields of :class:`~rxcandles.cli.place.Place`, of every command that asks an exchange."""
stored_series: Final = together(
    click.argument("words", nargs=-1, metavar="[SYMBOL|TIMEFRAME]...", shell_complete=_words),
    click.option("--symbol", "symbols", multiple=True, metavar="LIST", callback=_split, shell_complete=_stored_symbols,
                 help="Markets, separated by commas; 'KRW-*' means all stored ones."),
    click.option("--timeframe", "timeframes", multiple=True, metavar="LIST", callback=_split,
                 shell_complete=_timeframes,
                 help="Timeframes, separated by commas; by default all stored ones."),
)  # fmt: skip
of_series: Final = together(
    click.option("--symbol", shell_complete=_stored_symbols,
                 help="Market of the candles; by default what the file names say."),
    click.option("--timeframe", shell_complete=_timeframes,
                 help="Timeframe of the candles; by default what the file names say."),
)  # fmt: skip
_UNTIL_HELP: Final = "Newer end, not included; by default {}."
_end: Final = click.option("--end", type=time_option, hidden=True, help="The other end, in either order.")
"""The other end, in either order: the document's word, which stays."""


def _until(default: str) -> Option:
    return click.option(
        "--until", "--to", "to", cls=Word, type=time_option, metavar="TIME", help=_UNTIL_HELP.format(default)
    )


def _since(default: str) -> Option:
    help_text = "Older end: 2024-01-31, '2024-01-31 09:00', '2024-01-31 09:00 KST'" + default
    return click.option("--since", type=time_option, metavar="TIME", help=help_text)


last: Final = click.option(
    "--last", type=length_option, metavar="LENGTH",
    help="How far back from the newer end: 90m (m is minutes), 24h, 30d, 8w, 6M (M is months), 2y.",
)  # fmt: skip
tz: Final = zone_option
stretch: Final = together(_since("."), _until("the end of what is stored"), tz)
stored_span: Final = together(
    _since("; by default the oldest candle."), last, _until("the end of what is stored"), _end, tz
)
ends: Final = together(
    click.option("--count", type=count_option, metavar="N", help="Number of candles, back from the newer end."),
    _since("."), last, _until("now"), _end, tz,
)  # fmt: skip
source: Final = click.option(
    "--exchange", "--name", "source", metavar="NAME", shell_complete=_stored_names,
    help="Source of the candles, as `rxcandles coverage` shows it; needed if a series has several.",
)  # fmt: skip
quiet: Final = click.option("-q", "--quiet", is_flag=True, help="Print nothing if all is well.")
no_color: Final = click.option("--no-color", is_flag=True, help="No colours; also set by the variable NO_COLOR.")
told: Final = together(
    quiet,
    click.option("-v", "--verbose", count=True, help="Show the log on stderr; -vv shows each request."),
    no_color,
)
wanted: Final = together(
    click.argument("words", nargs=-1, metavar="[SYMBOL|TIMEFRAME]...", shell_complete=_words),
    click.option("--symbol", "symbols", multiple=True, metavar="LIST", callback=_split, shell_complete=_stored_symbols,
                 help="Markets, separated by commas; 'KRW-*' means all that the exchange lists."),
    click.option("--timeframe", "timeframes", multiple=True, metavar="LIST", callback=_split,
                 shell_complete=_timeframes,
                 help=f"Timeframes, separated by commas, of {' '.join(each.name for each in TIMEFRAMES)}."),
    ends,
)  # fmt: skip
several: Final = together(wanted, db, connection, told)
several_planned: Final = together(
    wanted,
    click.option(
        "--db", default=USUAL_DB, show_default=True, help="Database file; a missing file is treated as empty."
    ),
    connection,
    told,
)
printed: Final = together(
    click.option("--order", type=click.Choice(["newest_first", "oldest_first"]), default="newest_first",
                 show_default=True, help="Order of the candles."),
    click.option("--format", "style", type=click.Choice(FORMATS), default="table", show_default=True,
                 help="Output format; csv and jsonl use Upbit's field names."),
)  # fmt: skip
imported: Final = click.option(
    "--imported", "include_imported", is_flag=True,
    help="Include imported candles where the exchange was not asked; each is marked as not proven.",
)  # fmt: skip
refetch: Final = click.option(
    "--refetch", is_flag=True,
    help="Fetch everything again and replace what is stored, page by page.",
)  # fmt: skip
as_json: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
seed: Final = click.option("--seed", type=int, help="Seed for choosing the same pages again.")
most: Final = click.option(
    "--most", type=click.IntRange(1), help="Findings to show of each kind.  [default: 10; 1000 for --json]"
)
quiet_if_well: Final = click.option(
    "-q", "--quiet", is_flag=True, help="Show no progress, and print nothing if all is well."
)
