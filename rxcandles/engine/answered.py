"""Translate what a user's exchange raises and returns into the types of this library."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rxcandles.errors import ExchangeError, PassingError, RxCandlesError
from rxcandles.model import Row, RowWithTrades
from rxcandles.ports import Page
from rxcandles.util.arguments import shown

__all__ = ["brought_home", "check_answer"]

_PASSING = ("Timeout", "Disconnected", "ConnectionError", "ConnectError", "ReadError", "PayloadError", "NetworkError")
"""How clients name errors that are likely to pass and that are not an ``OSError``."""


def brought_home(error: Exception, what: Callable[[], str]) -> Exception:
    """Return ``error``, which an exchange has raised for the page ``what``, as an :class:`ExchangeError`.

    It is a ``PassingError`` if the fault is likely to pass: an ``OSError``, a timeout, a lost connection.
    """
    if isinstance(error, RxCandlesError):
        return error
    names = [kind.__name__ for kind in type(error).__mro__]
    passes = isinstance(error, OSError) or any(name.endswith(_PASSING) for name in names)
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return (PassingError if passes else ExchangeError)(f"{what()}: the exchange's own page() raised {said}")


def check_answer(page: object, what: Callable[[], str]) -> Page:
    """Return ``page``, or raise :class:`ExchangeError`, which says what came instead, if it is not a valid page."""
    if not isinstance(page, Page):
        raise _wrong(what(), page, "a Page", "return rxcandles.Page(rows)")
    if not isinstance(page.rows, Sequence) or isinstance(page.rows, str | bytes):
        raise _wrong(what(), page.rows, "a list of rows in its Page", "return rxcandles.Page([rxcandles.Row(…), …])")
    if not {Row, RowWithTrades}.issuperset(map(type, page.rows)):
        for row in page.rows:
            if not isinstance(row, Row):
                raise _wrong(what(), row, "Rows in its Page", "make a rxcandles.Row of each")
    covered = page.covered
    if covered is not None and not (len(covered) == 2 and all(type(end) is int for end in covered)):
        raise _wrong(what(), covered, "a span in its Page", "give covered=(start, stop), whole UTC seconds")
    return page


def _wrong(what: str, came: object, takes: str, instead: str) -> ExchangeError:
    kind = type(came).__name__
    return ExchangeError(
        f"{what}: the exchange's own page() is to return {takes}, and {kind} came, {shown(came)}; {instead}"
    )
