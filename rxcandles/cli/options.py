"""What the commands have in common: their options, and what the values of these may be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import click

from rxcandles.arguments import check_path, check_rate
from rxcandles.cli.asking import read_duration, read_time
from rxcandles.cli.console import FORMATS
from rxcandles.errors import RequestError
from rxcandles.exchanges.contact import PATIENCE
from rxcandles.naming import EXCHANGES
from rxcandles.opening import OwnRate
from rxcandles.timeframe import TIMEFRAMES

__all__ = ["DB", "Work", "existing", "is_there", "rate", "together"]

DB: Final = "candles.db"
"""The database where none is named."""

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


def is_there(db: str) -> bool:
    """Return whether there is such a file; a command that only reads makes none."""
    try:
        return Path(db).is_file()
    except ValueError:  # a NUL in its name, on Python before 3.12
        return False


def existing(db: str) -> str:
    """Return ``db``, or raise :class:`RequestError` where there is no such file: reading makes none."""
    if ":/" in db:
        check_path("--db", db)  # which shows no password
    if not is_there(db):
        raise RequestError(f"there is no database {db!r}; name one with --db, or collect candles into it first")
    return db


def together(*options: Option) -> Option:
    """Return all ``options`` as one, in their order in the help."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _stored_symbols(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from rxcandles.cli.completing import stored_symbols

    return stored_symbols(context, incomplete)


def _stored_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from rxcandles.cli.completing import stored_names

    return stored_names(context, incomplete)


def _timeframes(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [each.name for each in TIMEFRAMES if each.name.startswith(incomplete)]


def _words(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return _stored_symbols(context, parameter, incomplete) + _timeframes(context, parameter, incomplete)


def _patient(context: click.Context, parameter: click.Parameter, value: timedelta | None) -> None:
    if value is not None:
        PATIENCE.set(min(value.total_seconds(), 86_400.0))


db: Final = click.option("--db", default=DB, show_default=True, help="The database file; made where it is absent.")
existing_db: Final = click.option("--db", default=DB, show_default=True, help="The database file.")
patience: Final = click.option(
    "--patience", type=_as_type(read_duration), metavar="TIME", expose_value=False, callback=_patient,
    help="How long to try where nothing ever answers, as at a boot: 30s, 5m.  [default: 1.5s]",
)  # fmt: skip
exchange: Final = together(
    click.option("--exchange", type=click.Choice(EXCHANGES), default="upbit", show_default=True,
                 help="simulated starts a simulated Upbit in this process."),
    click.option("--base-url", metavar="URL",
                 help="Another address of the same API; its candles are stored apart, as upbit@HOST:PORT."),
    click.option("--name", shell_complete=_stored_names,
                 help="What candles of --base-url are stored as; upbit where it is a mirror or proxy of Upbit."),
    click.option("--rate-limit", type=rate, metavar="N|none", default=OwnRate.OWN,
                 help="Requests a second, or none; the exchange's own where not given."),
    patience,
)  # fmt: skip
series: Final = together(
    click.argument("symbol", required=False, shell_complete=_stored_symbols),
    click.argument("timeframe", required=False, shell_complete=_timeframes),
)
one_series: Final = together(
    click.argument("symbol", shell_complete=_stored_symbols),
    click.argument("timeframe", shell_complete=_timeframes),
)
of_series: Final = together(
    click.option("--symbol", shell_complete=_stored_symbols,
                 help="The market whose candles they are; by the names of the files if not given."),
    click.option("--timeframe", shell_complete=_timeframes,
                 help="Their length; by the names of the files if not given."),
)  # fmt: skip
stretch: Final = together(
    click.option(
        "--since", type=_as_type(read_time), metavar="TIME", help="From here on (ISO 8601, UTC without a zone)."
    ),
    click.option("--to", type=_as_type(read_time), metavar="TIME", help="Up to here, exclusive."),
)
stored_span: Final = together(
    click.option("--since", type=_as_type(read_time), metavar="TIME",
                 help="The older end (ISO 8601, UTC without a zone); the oldest candle if not given."),
    click.option("--last", type=_as_type(read_duration), metavar="TIME",
                 help="So long back from the newer end: 90m, 24h, 30d, 8w."),
    click.option("--to", type=_as_type(read_time), metavar="TIME",
                 help="The newer end; the end of what is stored if not given."),
    click.option("--end", type=_as_type(read_time), metavar="TIME", help="The other end, in either order."),
)  # fmt: skip
ends: Final = together(
    click.option("--count", type=int, help="Candles that exist, back from --to or now."),
    click.option("--since", type=_as_type(read_time), metavar="TIME",
                 help="The older end (ISO 8601, UTC without a zone)."),
    click.option("--last", type=_as_type(read_duration), metavar="TIME",
                 help="So long back from --to or the newest final candle: 90m, 24h, 30d, 8w; 3m are three of 1m."),
    click.option("--to", type=_as_type(read_time), metavar="TIME", help="The newer end; now if not given."),
    click.option("--end", type=_as_type(read_time), metavar="TIME",
                 help="The other end, in either order. The older end is included, the newer excluded."),
)  # fmt: skip
whose: Final = click.option(
    "--exchange", "--name", "exchange", metavar="NAME", shell_complete=_stored_names,
    help="Whose candles, as `rxcandles coverage` names them, where the database has this series of several.",
)  # fmt: skip
last: Final = click.option(
    "--last",
    type=_as_type(read_duration),
    metavar="TIME",
    help="So long back from --to, or from the newest that is stored: 90m, 24h, 30d, 8w.",
)
no_color: Final = click.option("--no-color", is_flag=True, help="No colours; the variable NO_COLOR says the same.")
told: Final = together(
    click.option("-q", "--quiet", is_flag=True, help="Nothing but errors and results."),
    click.option("-v", "--verbose", count=True, help="Show the log on stderr; -vv shows each request."),
    no_color,
)
asked: Final = together(
    one_series,
    ends,
    db,
    exchange,
    told,
)
_many: Final = together(
    click.argument("words", nargs=-1, metavar="[SYMBOL|TIMEFRAME]...", shell_complete=_words),
    click.option("--symbol", "symbols", multiple=True, metavar="LIST", shell_complete=_stored_symbols,
                 help="Markets, with commas or given again; 'KRW-*' are all that the exchange has."),
    click.option("--timeframe", "timeframes", multiple=True, metavar="LIST", shell_complete=_timeframes,
                 help=f"Some of {' '.join(each.name for each in TIMEFRAMES)}."),
    ends,
)  # fmt: skip
several: Final = together(_many, db, exchange, told)
several_planned: Final = together(
    _many,
    click.option("--db", default=DB, show_default=True, help="The database file; one that is absent holds nothing."),
    exchange,
    told,
)
printed: Final = together(
    click.option("--order", type=click.Choice(["newest_first", "oldest_first"]), default="newest_first",
                 show_default=True, help="Which candle comes first."),
    click.option("--format", "style", type=click.Choice(FORMATS), default="table", show_default=True,
                 help="csv and jsonl have Upbit's names of the fields."),
)  # fmt: skip
refetch: Final = click.option(
    "--refetch", is_flag=True,
    help="Fetch all of it again, whatever is stored, and replace that page by page; what is not fetched stays.",
)  # fmt: skip
as_json: Final = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON on stdout: one object, or one a line for each series."
)
