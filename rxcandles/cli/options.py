"""What the commands have in common: their options, and what the values of these may be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import click

from rxcandles.arguments import check_path, check_rate
from rxcandles.cli.console import FORMATS
from rxcandles.cli.timewords import Word, count_option, length_option, patience_said, time_option, zone_option
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
    "--patience", type=_as_type(patience_said), metavar="TIME", expose_value=False, callback=_patient,
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
stored_series: Final = together(
    click.argument("words", nargs=-1, metavar="[SYMBOL|TIMEFRAME]...", shell_complete=_words),
    click.option("--symbol", "symbols", multiple=True, metavar="LIST", shell_complete=_stored_symbols,
                 help="Markets, with commas or given again; 'KRW-*' are all that are stored."),
    click.option("--timeframe", "timeframes", multiple=True, metavar="LIST", shell_complete=_timeframes,
                 help="Timeframes; all that are stored where none is given."),
)  # fmt: skip
one_series: Final = together(
    click.argument("symbol", required=False, shell_complete=_stored_symbols),
    click.argument("timeframe", required=False, shell_complete=_timeframes),
)
of_series: Final = together(
    click.option("--symbol", shell_complete=_stored_symbols,
                 help="The market whose candles they are; by the names of the files if not given."),
    click.option("--timeframe", shell_complete=_timeframes,
                 help="Their length; by the names of the files if not given."),
)  # fmt: skip
_UNTIL_HELP: Final = "The newer end, not included; {} if not given."
_end: Final = click.option("--end", type=time_option, hidden=True, help="The other end, in either order.")
"""The other end, in either order: the document's word, which stays."""


def _until(default: str) -> Option:
    return click.option(
        "--until", "--to", "to", cls=Word, type=time_option, metavar="TIME", help=_UNTIL_HELP.format(default)
    )


def _since(default: str) -> Option:
    help_text = "The older end: 2024-01-31, '2024-01-31 09:00', '2024-01-31 09:00 KST'" + default
    return click.option("--since", type=time_option, metavar="TIME", help=help_text)


last: Final = click.option(
    "--last", type=length_option, metavar="LENGTH",
    help="How far back from the newer end: 90m (m is minutes), 24h, 30d, 8w, 6M (months), 2y.",
)  # fmt: skip
stretch: Final = together(_since("."), _until("the end of what is stored"), zone_option)
stored_span: Final = together(
    _since("; the oldest candle if not given."), last, _until("the end of what is stored"), _end, zone_option
)
ends: Final = together(
    click.option("--count", type=count_option, metavar="N", help="How many candles, back from the newer end."),
    _since("."), last, _until("now"), _end, zone_option,
)  # fmt: skip
whose: Final = click.option(
    "--exchange", "--name", "exchange", metavar="NAME", shell_complete=_stored_names,
    help="Whose candles, as `rxcandles coverage` names them, where the database has this series of several.",
)  # fmt: skip
quiet: Final = click.option("-q", "--quiet", is_flag=True, help="Print nothing where all is well.")
no_color: Final = click.option("--no-color", is_flag=True, help="No colours; the variable NO_COLOR says the same.")
told: Final = together(
    quiet,
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
