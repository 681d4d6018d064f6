"""Argument checks. Each names the argument, shows the value, and says what is allowed.

Every public function calls them first, so that a mistake shows there and not in a later task. Code that runs for every
candle does not call them; for a page they cost a microsecond.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from operator import index
from pathlib import Path
from typing import Any, Final, TypeVar

from rxcandles.errors import RequestError

__all__ = [
    "check_callable",
    "check_choice",
    "check_count",
    "check_each",
    "check_exchange_name",
    "check_flag",
    "check_kind",
    "check_like",
    "check_name",
    "check_number",
    "check_path",
    "check_rate",
    "check_source",
    "check_span",
    "check_symbol",
    "misplaced",
    "plain",
    "refusal",
    "shown",
]

_A = TypeVar("_A")
_B = TypeVar("_B")

_SYMBOL: Final = re.compile(r"""[\w$][^"'`\\,;%*?\[\]{}<>|]{0,39}""")
"""The pattern of a market's code: short, and without characters that have a meaning in a glob, a table or a path."""
_LATIN: Final = str.maketrans(
    # Cyrillic and Greek capitals that look like Latin ones, then hyphens, dashes and the minus sign.
    "АВЕЅІЈКМНОРԚСТУХΑΒΕΖΗΙΚΜΝΟΡΤΥΧ‐‑‒–—―−",
    "ABESIJKMHOPQCTYXABEZHIKMNOPTYX-------",
)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_ADDRESS: Final = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9._:/\[\]-]{0,99}", re.ASCII)
_URL: Final = re.compile(
    r"([a-z][a-z0-9+.-]+)://|(s3|gs|gcs|azure?|abfss?|https?|s?ftp|file|sqlite|postgres(?:ql)?|mysql|duckdb):/",
    re.ASCII | re.IGNORECASE,
)
"""The second group is what a ``Path`` leaves of an address."""
_LONGEST: Final = 80
_MOST: Final = sys.float_info.max


def shown(value: object) -> str:
    """Return ``value`` for an error: its ``repr``, cut at 80 characters; never raises."""
    try:
        text = repr(value)
    except Exception:  # a user's __repr__, or an integer with more digits than Python prints
        text = object.__repr__(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def refusal(name: str, value: object, allowed: str) -> RequestError:
    """Return the error for an argument: ``allowed`` says what to give instead."""
    return RequestError(f"{name} is {shown(value)}; {allowed}")


def check_source(name: str, value: str) -> str:
    """Return the IP address that requests are sent from, in one spelling; raise :class:`RequestError` for any other."""
    try:
        return ipaddress.ip_address(value).compressed
    except ValueError:
        raise refusal(name, value, "take an IP address of this machine, such as '10.0.0.7'") from None


def misplaced(operator: str, came: object, takes: str, instead: str = "") -> RequestError:
    """Return the error for an item that an operator can't take: ``instead`` says what to do."""
    kind = type(came).__name__
    article = "an" if kind[:1].lower() in tuple("aeiou") else "a"
    return RequestError(
        f"ops.{operator} takes {takes}, and {article} {kind} came{f'; {instead}' if instead else f', {shown(came)}'}"
    )


def check_count(name: str, value: int, least: int = 1, most: int = 10**12) -> int:
    """Return ``value`` as a plain ``int``, or raise :class:`RequestError` if it is not a whole number in bounds.

    Accepts numpy integers; rejects ``True`` and ``5.0``.
    """
    try:
        number = index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or not least <= number <= most:
        raise refusal(name, value, f"take a whole number from {least} to {most}")
    return number


def check_number(
    name: str, value: float, least: float = 0.0, most: float = _MOST, *, above: bool = False, what: str = "seconds"
) -> float:
    """Return ``value``, or raise :class:`RequestError` if it is not a finite number in bounds.

    * ``above``: True excludes ``least`` itself.
    * ``what``: what the number counts, for the error.
    """
    fits = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
    if not fits or (above and value == least):
        to = "" if most == _MOST else f" to {most:.12g}"
        raise refusal(name, value, f"take {what} {'above' if above else 'from'} {least:.12g}{to}")
    return value


def check_rate(name: str, value: float | None) -> float | None:
    """Return ``value`` (requests a second, or None for no limit), or raise :class:`RequestError`."""
    if value is not None:
        try:
            check_number(name, value, 1e-5, 1e6)
        except RequestError:
            raise refusal(name, value, "take requests a second, 0.00001 to 1000000, or None for no limit") from None
    return value


def check_flag(name: str, value: bool) -> bool:
    """Return ``value``, or raise :class:`RequestError` if it is neither True nor False."""
    if not isinstance(value, bool):
        raise refusal(name, value, "take True or False")
    return value


def check_choice(name: str, value: str, choices: Sequence[str]) -> str:
    """Return ``value``, or raise :class:`RequestError` if it is not one of the ``choices``."""
    if not isinstance(value, str) or value not in choices:
        raise refusal(name, value, f"take {'one of ' if len(choices) > 2 else ''}{_either(choices)}")
    return value


def _either(choices: Sequence[str]) -> str:
    *others, last = map(repr, choices)
    return f"{', '.join(others)} or {last}"


def check_symbol(symbol: str) -> str:
    """Return ``symbol`` as a plain ``str``, or raise :class:`RequestError` if no market can have this code.

    Each exchange has its own codes (``KRW-xBTC``, ``KRW-$MYRO``, names in Chinese). Only harmful codes are refused:
    more than 40 characters, invisible characters (controls, spaces, marks of direction), quotes, globs, path separators
    other than ``/``, a first character other than a letter, digit or ``$``, and codes that look like another code.
    """
    if not isinstance(symbol, str) or not _SYMBOL.fullmatch(symbol):
        raise refusal("symbol", symbol, "write a market's code, such as 'KRW-BTC'")
    if not symbol.isascii() and (read := plain(symbol)) != symbol:
        raise refusal("symbol", symbol, f"write {read!r}, which it only looks like")
    if not symbol.isprintable() or " " in symbol or ".." in symbol:
        raise refusal("symbol", symbol, "write a market's code, such as 'KRW-BTC'")
    return str.__str__(symbol)


def plain(name: str) -> str:
    """Return ``name`` in the letters it looks like: Latin ones if possible, and no spaces."""
    letters = unicodedata.normalize("NFKC", name).translate(_LATIN)
    return _seen(letters) if _seen(letters).isascii() else _seen(name)


def _seen(name: str) -> str:
    return "".join(letter for letter in name if unicodedata.category(letter)[0] not in "ZC")


def check_name(name: str, value: str) -> str:
    """Return ``value``, or raise :class:`RequestError` if it can't be a part of a file's name."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise refusal(name, value, "take up to 64 letters, digits, '.', '_' and '-', a letter or digit first")
    return value


def check_exchange_name(name: str, value: str) -> str:
    """Return ``value``, or raise :class:`RequestError` if it can't name an exchange: a name, or NAME@ADDRESS."""
    plain, at, address = value.partition("@") if isinstance(value, str) else (value, "", "")
    if at and _NAME.fullmatch(plain) and _ADDRESS.fullmatch(address):
        return value
    return check_name(name, value)


def check_path(name: str, value: str | Path) -> str:
    """Return ``value`` as a ``str``, or raise :class:`RequestError` if it can't be the path of a file.

    An address (``s3://…``, ``postgresql://…``) is refused and not shown, since it may contain a password.
    """
    if isinstance(value, str | Path) and (found := _URL.match(str(value))):
        raise RequestError(
            f"{name} is an address ({found[1] or found[2]}://…), and only files on this machine can be used so far; "
            "give the path of one, such as ./candles.db"
        )
    try:
        fits = isinstance(value, str | Path) and str(value) != "" and b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        fits = False
    if not fits:
        raise refusal(name, value, "give a path, as a str or a Path")
    return str(value)


def check_span(name: str, value: tuple[int, int]) -> tuple[int, int]:
    """Return ``value``, or raise :class:`RequestError` if it is not a pair of UTC seconds that ends after it starts."""
    try:
        start, stop = value
        start, stop = index(start), index(stop)
    except (TypeError, ValueError):
        start = stop = 0
    if not 0 <= start < stop <= 10**12:
        raise refusal(name, value, "give (start, stop) in whole UTC seconds; a span ends after it starts")
    return start, stop


def check_callable(name: str, value: Callable[..., Any] | None, *, optional: bool = False) -> None:
    """Raise :class:`RequestError` if ``value`` can't be called; None is allowed if it is ``optional``."""
    if not (callable(value) or (optional and value is None)):
        raise refusal(name, value, "give a function, or None" if optional else "give a function")


def check_kind(name: str, value: _A, kind: type) -> _A:
    """Return ``value``, or raise :class:`RequestError` if it is not a ``kind``."""
    if not isinstance(value, kind):
        raise refusal(name, value, f"give a {kind.__name__}")
    return value


def check_each(name: str, values: Iterable[_A], check: Callable[[str, _A], _B]) -> list[_B]:
    """Return the result of ``check`` for each of the ``values``; or :class:`RequestError` if they are not iterable."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise refusal(name, values, "give several, such as a list of them")
    return [check(f"{name}[{number}]", value) for number, value in enumerate(values)]


def check_like(name: str, value: _A, protocol: type, *members: str) -> _A:
    """Return ``value``, or raise :class:`RequestError` if it lacks ``members`` of a ``protocol`` (default: all).

    Members are looked up by name. A class in place of an object has no members.
    """
    needed = members or [each for each in {**protocol.__annotations__, **vars(protocol)} if not each.startswith("_")]
    lacking = [each for each in needed if isinstance(value, type) or not hasattr(value, each)]
    if lacking:
        raise refusal(name, value, f"give an object of the shape of {protocol.__name__}; it lacks {', '.join(lacking)}")
    return value
