"""Options that several commands share, and the three objects that a command gets instead of single options.

A command lists its options in the order of its help, and last :data:`gathered`. It is then called with a ``Wanted``, a
``Place`` and an ``Output``.
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
from rxcandles.stores.opening import check_database
from rxcandles.util.arguments import check_rate

__all__ = ["Option", "Work", "rate", "takes", "together"]


Work: TypeAlias = Callable[[], int]
"""The work of a command, which returns its exit code.

Click only reads the command line and returns this. The work runs outside of click, which would handle Ctrl-C and closed
pipes in its own way.
"""

Option: TypeAlias = Callable[[Any], Any]

_A = TypeVar("_A")


def _as_type(read: Callable[[str], _A]) -> Callable[[str | _A], _A]:
    """Return ``read`` as a type for click; its error text is kept, which click would replace."""

    def typed(value: str | _A) -> _A:
        if not isinstance(value, str):
            return value
        try:
            return read(value)
        except RequestError as error:
            raise click.BadParameter(str(error)) from None

    return typed


def rate(value: str | OwnRate) -> float | OwnRate | None:
    """Return the requests per second that an option gives; None for no limit."""
    if isinstance(value, OwnRate):
        return value
    if value == "none":
        return None
    try:
        return check_rate("rate", float(value))
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is not a rate; give requests per second, 0.00001 to 1000000, or none for no limit"
        ) from None


def together(*options: Option) -> Option:
    """Return one decorator for all ``options``, which keep this order in the help."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def takes(**kinds: type) -> Option:
    """Call a command with objects that are made of its options: each option fills the field of the same name.

    ``takes(place=Place)`` passes a ``place`` if the command has at least one option that is a field of ``Place``.
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
"""Passes ``place``, ``wanted`` and ``output`` to a command, each if it has options for it."""


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
    """Return ``-o`` for a command that writes one file for each series."""
    return click.option(
        "-o", "--output", "path", metavar="PATH",
        help="File to write; - is stdout. For several series: a folder, or a name with {symbol} and {timeframe}."
        + more,
    )  # fmt: skip


def against_exchange(what: str) -> Option:
    """Return the option that compares a sample of pages with the exchange."""
    return click.option("--against-exchange", "sample", type=click.IntRange(1, 1_000_000), metavar="SAMPLE", help=what)


def _db(help_text: str) -> Option:
    return click.option("--db", default=USUAL_DB, show_default=True, metavar="FILE", callback=database, help=help_text)


def database(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Return the path, or the address as it may be shown: from here on nothing prints a password."""
    try:
        return check_database("--db", value)
    except RequestError as error:
        raise click.BadParameter(str(error), context, parameter) from None


db: Final = _db("Database file; created if it does not exist.")
existing_db: Final = _db("Database file; it must exist.")
patience: Final = click.option(
    "--patience", type=_as_type(patience_said), metavar="TIME", expose_value=False, callback=_patient,
    help="How long to keep trying if the server has never answered: 30s, 5m.  [default: 1.5s]",
)  # fmt: skip
connection: Final = together(
    click.option("--exchange", type=click.Choice(EXCHANGES), default=EXCHANGES[0], show_default=True,
                 help="Exchange to ask; simulated is built in, invents its candles, and needs no network."),
    click.option("--base-url", metavar="URL",
                 help="Ask this server instead, which must have the same API. Its candles are stored apart, under the "
                 "name EXCHANGE@HOST:PORT."),
    click.option("--name", metavar="NAME", shell_complete=_stored_names,
                 help="Name under which candles of --base-url are stored; the exchange's own for its mirror or proxy."),
    click.option("--rate-limit", type=rate, metavar="N|none", default=OwnRate.OWN,
                 help="Most requests per second, or none for no limit.  [default: the exchange's own limit]"),
    click.option("--source-address", metavar="ADDRESS",
                 help="Send from this IP address of the machine, which the exchange counts apart from its others."),
    patience,
)  # fmt: skip
"""Options of every command that asks an exchange: fields of :class:`~rxcandles.cli.place.Place`."""
stored_series: Final = together(
    click.argument("words", nargs=-1, metavar="[SYMBOL|TIMEFRAME]...", shell_complete=_words),
    click.option("--symbol", "symbols", multiple=True, metavar="LIST", callback=_split, shell_complete=_stored_symbols,
                 help="Markets, separated by commas; 'KRW-*' is all that are stored."),
    click.option("--timeframe", "timeframes", multiple=True, metavar="LIST", callback=_split,
                 shell_complete=_timeframes,
                 help="Timeframes, separated by commas: 1m,60m.  [default: all that are stored]"),
)  # fmt: skip
of_series: Final = together(
    click.option("--symbol", metavar="SYMBOL", shell_complete=_stored_symbols,
                 help="Market of the candles: KRW-BTC.  [default: by file name]"),
    click.option("--timeframe", metavar="TIMEFRAME", shell_complete=_timeframes,
                 help="Timeframe of the candles: 1m.  [default: by file name]"),
)  # fmt: skip
_UNTIL_HELP: Final = "Newer end, not included; written like --since.  [default: {}]"
_end: Final = click.option("--end", type=time_option, hidden=True, help="The other end, in either order.")
"""An older name for one of the two ends, which stays valid."""


def _until(default: str) -> Option:
    return click.option(
        "--until", "--to", "to", cls=Word, type=time_option, metavar="TIME", help=_UNTIL_HELP.format(default)
    )


def _since(default: str) -> Option:
    help_text = "Older end, included: 2024-01-31, '2024-01-31 09:00', '2024-01-31 09:00 KST'." + default
    return click.option("--since", type=time_option, metavar="TIME", help=help_text)


last: Final = click.option(
    "--last", type=length_option, metavar="LENGTH",
    help="Length of time back from the newer end: 90m (m is minutes), 24h, 30d, 8w, 6M (M is months), 2y.",
)  # fmt: skip
tz: Final = zone_option
stretch: Final = together(_since(""), _until("the end of what is stored"), tz)
stored_span: Final = together(
    _since("  [default: the oldest candle]"), last, _until("the end of what is stored"), _end, tz
)
ends: Final = together(
    click.option("--count", type=count_option, metavar="N", help="Number of candles, counted back from the newer end."),
    _since(""), last, _until("now"), _end, tz,
)  # fmt: skip
source: Final = click.option(
    "--exchange", "--name", "source", metavar="NAME", shell_complete=_stored_names,
    help="Exchange whose candles to take, as `rxcandles coverage` shows it; needed if a series is stored from several.",
)  # fmt: skip
quiet: Final = click.option("-q", "--quiet", is_flag=True, help="Print nothing if all is well.")
no_color: Final = click.option(
    "--no-color", is_flag=True, help="Use no colours; the environment variable NO_COLOR does the same."
)
told: Final = together(
    quiet,
    click.option("-v", "--verbose", count=True, help="Show the log on stderr; -vv shows each request too."),
    no_color,
)
_markets: Final = click.option(
    "--symbol", "symbols", multiple=True, metavar="LIST", callback=_split, shell_complete=_stored_symbols,
    help="Markets, separated by commas; 'KRW-*' is all that the exchange lists.",
)  # fmt: skip
wanted: Final = together(
    click.argument("words", nargs=-1, metavar="[SYMBOL|TIMEFRAME]...", shell_complete=_words),
    _markets,
    click.option("--timeframe", "timeframes", multiple=True, metavar="LIST", callback=_split,
                 shell_complete=_timeframes,
                 help=f"Timeframes, separated by commas; one or more of {' '.join(each.name for each in TIMEFRAMES)}."),
    ends,
)  # fmt: skip
followed: Final = together(
    click.argument("words", nargs=-1, metavar="[SYMBOL|TIMEFRAME|FILE.toml]...", shell_complete=_words),
    _markets,
    click.option("-t", "--timeframe", "timeframes", multiple=True, metavar="NAME", callback=_split,
                 shell_complete=_timeframes,
                 help=f"Timeframe, one of {' '.join(each.name for each in TIMEFRAMES)}."),
)  # fmt: skip
several: Final = together(wanted, db, connection, told)
several_planned: Final = together(
    wanted,
    _db("Database file; a missing file is treated as empty."),
    connection,
    told,
)
printed: Final = together(
    click.option("--order", type=click.Choice(["newest_first", "oldest_first"]), default="newest_first",
                 show_default=True, help="Order of the printed candles."),
    click.option("--format", "style", type=click.Choice(FORMATS), default="table", show_default=True,
                 help="Format of the printed candles; csv and jsonl have Upbit's field names."),
)  # fmt: skip
imported: Final = click.option(
    "--imported", "include_imported", is_flag=True,
    help="Include imported candles in gaps; each is marked as not proven.",
)  # fmt: skip
refetch: Final = click.option(
    "--refetch", is_flag=True,
    help="Fetch everything again, and replace what is stored page by page.",
)  # fmt: skip
scheduler: Final = click.option(
    "--scheduler", metavar="ADDRESS",
    help="Let the workers of this Dask scheduler collect, each from its own address: tcp://10.0.0.1:8786. Needs --db "
    "postgresql://…; the command worker starts a worker.",
)  # fmt: skip
as_json: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
seed: Final = click.option(
    "--seed", type=int, metavar="N", help="Number that chooses the random pages; the same number, the same pages."
)
most: Final = click.option(
    "--most",
    type=click.IntRange(1),
    metavar="N",
    help="Most findings to show of each kind.  [default: 10; with --json 1000]",
)
quiet_if_well: Final = click.option(
    "-q", "--quiet", is_flag=True, help="Show no progress, and print nothing if all is well."
)
