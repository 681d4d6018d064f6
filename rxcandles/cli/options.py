"""What the commands have in common: their options, and what the values of these may be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import click

from rxcandles.cli.console import FORMATS
from rxcandles.cli.timewords import Word, count_option, length_option, patience_said, time_option, zone_option
from rxcandles.errors import RequestError
from rxcandles.exchanges.contact import PATIENCE
from rxcandles.model.advice import USUAL_DB
from rxcandles.model.naming import EXCHANGES
from rxcandles.model.timeframe import TIMEFRAMES
from rxcandles.modes.connect import OwnRate
from rxcandles.util.arguments import check_path, check_rate

__all__ = ["DB", "Work", "existing", "is_there", "rate", "together"]

DB: Final = USUAL_DB
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


db: Final = click.option("--db", default=DB, show_default=True, help="Database file; created if missing.")
existing_db: Final = click.option("--db", default=DB, show_default=True, help="Database file.")
patience: Final = click.option(
    "--patience", type=_as_type(patience_said), metavar="TIME", expose_value=False, callback=_patient,
    help="How long to keep trying while the server has never answered: 30s, 5m.  [default: 1.5s]",
)  # fmt: skip
exchange: Final = together(
    click.option("--exchange", type=click.Choice(EXCHANGES), default="upbit", show_default=True,
                 help="Where candles come from; simulated is a built-in fake Upbit, for trying things out."),
    click.option("--base-url", metavar="URL",
                 help="Another server with the same API. Its candles are stored separately, as EXCHANGE@HOST:PORT."),
    click.option("--name", shell_complete=_stored_names,
                 help="Name to store candles of --base-url under; the exchange's own for a mirror or proxy of it."),
    click.option("--rate-limit", type=rate, metavar="N|none", default=OwnRate.OWN,
                 help="Requests per second, or none for no limit; by default the limit of the exchange."),
    patience,
)  # fmt: skip
stored_series: Final = together(
    click.argument("words", nargs=-1, metavar="[SYMBOL|TIMEFRAME]...", shell_complete=_words),
    click.option("--symbol", "symbols", multiple=True, metavar="LIST", shell_complete=_stored_symbols,
                 help="Markets, separated by commas; 'KRW-*' means all stored ones."),
    click.option("--timeframe", "timeframes", multiple=True, metavar="LIST", shell_complete=_timeframes,
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
whose: Final = click.option(
    "--exchange", "--name", "exchange", metavar="NAME", shell_complete=_stored_names,
    help="Source of the candles, as `rxcandles coverage` shows it; needed if a series has several.",
)  # fmt: skip
quiet: Final = click.option("-q", "--quiet", is_flag=True, help="Print nothing if all is well.")
no_color: Final = click.option("--no-color", is_flag=True, help="No colours; also set by the variable NO_COLOR.")
told: Final = together(
    quiet,
    click.option("-v", "--verbose", count=True, help="Show the log on stderr; -vv shows each request."),
    no_color,
)
_many: Final = together(
    click.argument("words", nargs=-1, metavar="[SYMBOL|TIMEFRAME]...", shell_complete=_words),
    click.option("--symbol", "symbols", multiple=True, metavar="LIST", shell_complete=_stored_symbols,
                 help="Markets, separated by commas; 'KRW-*' means all that the exchange lists."),
    click.option("--timeframe", "timeframes", multiple=True, metavar="LIST", shell_complete=_timeframes,
                 help=f"Timeframes, separated by commas, of {' '.join(each.name for each in TIMEFRAMES)}."),
    ends,
)  # fmt: skip
several: Final = together(_many, db, exchange, told)
several_planned: Final = together(
    _many,
    click.option("--db", default=DB, show_default=True, help="Database file; a missing file is treated as empty."),
    exchange,
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
