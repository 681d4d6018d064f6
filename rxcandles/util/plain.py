"""Values for JSON, in one form everywhere: for ``to_dict`` of this library's objects, and for the shell.

A time is ``2024-01-01T00:00:00Z``. A span, which is a pair of times, is an object with ``start`` and ``stop``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

__all__ = ["plain_moment", "plain_span", "to_plain"]


def plain_moment(moment: datetime) -> str:
    """Return a time in UTC, ending in ``Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def plain_span(start: datetime, stop: datetime) -> dict[str, str]:
    """Return a span as an object: ``start`` is included, ``stop`` is excluded."""
    return {"start": plain_moment(start), "stop": plain_moment(stop)}


def to_plain(value: Any) -> Any:
    """Return ``value`` as types that JSON has; a number that JSON can't express becomes None."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return plain_moment(value)
    if attrs.has(type(value)):
        return {each.name: to_plain(getattr(value, each.name)) for each in attrs.fields(type(value))}
    if isinstance(value, Mapping):
        return {str(name): to_plain(each) for name, each in value.items()}
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(each, datetime) for each in value):
        return plain_span(*value)
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(each) for each in value]
    return str(value)
