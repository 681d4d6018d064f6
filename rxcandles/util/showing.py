"""How objects are shown: one short line (``repr``), and a small table in a notebook (``_repr_html_``).

Values from outside, such as names and reasons, are always text there and never markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any, Final

import attrs

__all__ = ["Brief", "Markup", "Titled", "bar_html", "limit_text", "strip_html", "table_html"]

_MOST: Final = 8
"""Values in one line."""
_LONGEST: Final = 80
"""Characters of a value in one line."""
_ROWS: Final = 10
"""Items of a list in a table."""


class Brief:
    """Shows an attrs class by its informative fields: those that are not 0, empty, or at their default."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return one short line."""
        told = [f"{name} {_short(_brief(value))}" for name, value in _fields(self)]
        more = ", …" if len(told) > _MOST else ""
        return f"<{type(self).__name__}{': ' if told else ''}{', '.join(told[:_MOST])}{more}>"

    def _repr_html_(self) -> str:
        """Return a table of all these fields, as a notebook shows it."""
        return table_html(type(self).__name__, [(name.replace("_", " "), value) for name, value in _fields(self)])


class Titled:
    """Shows an object by the names and values that its ``_told`` returns."""

    __slots__ = ()

    def _told(self) -> Mapping[str, object]:
        """Return names and values, the most important first; names are shown in the table only."""
        return {}

    def __repr__(self) -> str:
        """Return one short line."""
        told = ", ".join(_brief(value) for value in self._told().values())
        return f"<{type(self).__name__}{': ' if told else ''}{told}>"

    def _repr_html_(self) -> str:
        """Return a table of it, as a notebook shows it."""
        return table_html(type(self).__name__, list(self._told().items()))


def limit_text(rate: float | None) -> str:
    """Return a limit in words."""
    return "no limit" if rate is None else f"{rate:g} requests a second"


def table_html(title: str, rows: Iterable[Sequence[object]], head: Sequence[str] = ()) -> str:
    """Return a table; values are escaped, except ``Markup``."""
    names = "".join(f"<th>{escape(each)}</th>" for each in head)
    cells = ([_cell(_html(each)) for each in row] for row in rows)
    lines = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    thead = f"<thead><tr>{names}</tr></thead>" if names else ""
    return f"<table><caption>{escape(title)}</caption>{thead}<tbody>{lines}</tbody></table>"


def _cell(content: str) -> str:
    # A time or a name stays on one line; a reason may take several.
    wrap = "nowrap" if len(content) < 40 else "normal"
    return f'<td style="text-align: left; white-space: {wrap}">{content}</td>'


class Markup(str):
    """HTML that this library has made."""

    __slots__ = ()


_COLOURS: Final = {
    "stored": "#7a9cc6", "imported": "#7d848d", "no trade": "#e0b04c", "outage": "#7f5a32",
    "no trade or outage": "#b08540", "provisional": "#e38fb5", "missing": "#9467b5",
    "impossible": "#e8590c",
    "held": "#0f8f72",
}  # fmt: skip
"""The colours of a chart's strip, and of the stored part of a request."""


def bar_html(shares: Iterable[tuple[str, float]], width: int = 160, of: float | None = None) -> Markup:
    """Return a bar ``width`` pixels wide, divided as the ``shares`` of the kinds are; the rest of ``of`` is empty."""
    shares = list(shares)
    if of is not None:
        shares.append(("", of - sum(share for _, share in shares)))
    parts = "".join(
        f'<div title="{escape(kind)}" style="flex: {share:.9f} 0 0; background: {_COLOURS.get(kind, "none")}"></div>'
        for kind, share in shares
        if share > 0
    )
    return Markup(f'<div style="display: flex; width: {width}px; height: 12px; background: #8883">{parts}</div>')


def strip_html(cells: Iterable[Mapping[str, float]]) -> Markup:
    """Return a strip of cells, each as wide as its number of slots and divided by the kinds of its slots."""
    columns = []
    for kinds in cells:
        slots = sum(kinds.values()) or 1
        parts = "".join(
            f'<div title="{escape(kind)}" style="flex: {count / slots:.6f} 0 0; background: {_COLOURS[kind]}"></div>'
            for kind, count in reversed(list(kinds.items()))
            if count
        )
        columns.append(f'<div style="flex: {slots:.0f} 0 0; display: flex; flex-direction: column">{parts}</div>')
    return Markup(f'<div style="display: flex; height: 24px">{"".join(columns)}</div>')


def _fields(shown: Any) -> list[tuple[str, Any]]:
    """Return the names and values of an attrs object's informative fields."""
    found = []
    for field in attrs.fields(type(shown)):
        value = getattr(shown, field.name)
        if value is None or (field.default is not attrs.NOTHING and value == field.default):
            continue
        if isinstance(value, (int, float)) and not value and not isinstance(value, bool):
            continue
        if isinstance(value, (Sequence, Mapping)) and not value:
            continue
        found.append((field.name, value))
    return found


def _brief(value: Any) -> str:
    """Return a value in a few characters; for a collection only its size."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, str):
        return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in value)
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(each, datetime) for each in value):
        return " to ".join(map(_brief, value))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_brief(each)}" for key, each in value.items() if each) + "}"
    if isinstance(value, Sequence) and not hasattr(value, "_fields"):
        return f"({len(value):,})"
    return repr(value)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _html(value: object) -> str:
    """Return a value as HTML; for a list its first items, one a line."""
    if isinstance(value, Markup):
        return str(value)
    pair = isinstance(value, tuple) and len(value) == 2 and all(isinstance(each, datetime) for each in value)
    if isinstance(value, Sequence) and not isinstance(value, str) and not pair and not hasattr(value, "_fields"):
        lines = [escape(_brief(each)) for each in value[:_ROWS]]
        more = [f"and {len(value) - _ROWS:,} more"] if len(value) > _ROWS else []
        return "<br>".join([*lines, *more])
    return escape(_brief(value))
