"""Requests as parts for workers, in turn over the requests, so that a short one is done early."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import attrs

from rxcandles.model import Request

__all__ = ["PAGES", "Part", "in_turn"]

PAGES = 50
"""Pages of a part: five seconds at ten requests a second, which is what is lost at most if its worker dies."""


@attrs.frozen
class Part:
    """A part of a request."""

    number: int
    whole: Request
    request: Request


def in_turn(requests: Iterable[Request], slots: int, wanted: Callable[[Request], bool]) -> Iterator[Part]:
    """Yield parts of at most so many ``slots`` of each request in turn, until each is used up or not ``wanted`` more.

    A request by count is one part. Parts are made when they are asked for, so a million of them take no memory.
    """
    left = deque((request, request.split(slots)) for request in requests)
    number = 0
    while left:
        whole, parts = left.popleft()
        request = next(parts, None) if wanted(whole) else None
        if request is not None:
            yield Part(number, whole, request)
            number += 1
            left.append((whole, parts))
