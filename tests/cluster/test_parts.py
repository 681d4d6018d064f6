"""Parts of requests come in turn, each once, and are made when they are asked for."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from rxcandles import Request
from rxcandles.cluster.parts import in_turn
from rxcandles.model.timeframe import to_datetime

STOP = 1_700_000_040


def request(symbol: int, minutes: int) -> Request:
    return Request(f"KRW-{symbol}X", "1m", to=to_datetime(STOP), end=to_datetime(STOP - minutes * 60))


@given(
    st.lists(st.integers(1, 40), max_size=6),
    st.integers(1, 9),
    st.sets(st.tuples(st.integers(0, 5), st.integers(0, 8))),
)
def test_in_turn(lengths: list[int], size: int, failed: set[tuple[int, int]]) -> None:
    """The n-th parts of all requests come before any part after the n-th; none of a request that has failed follows."""
    requests = [request(number, length) for number, length in enumerate(lengths)]
    given_up: set[Request] = set()
    seen: dict[Request, list[Request]] = {}
    expected = []
    for turn in range(40):
        for at, each in enumerate(requests):
            parts = list(each.split(size))
            if turn < len(parts) and not any((at, before) in failed for before in range(turn)):
                expected.append(parts[turn])
    came = []
    for number, part in enumerate(in_turn(requests, size, lambda each: each not in given_up)):
        assert part.number == number
        seen.setdefault(part.whole, []).append(part.request)
        came.append(part.request)
        if (requests.index(part.whole), len(seen[part.whole]) - 1) in failed:
            given_up.add(part.whole)
    assert came == expected


def test_a_million_parts_take_no_memory() -> None:
    """The first parts of a request of 2,000 years come at once; a count is a part of its own."""
    ages = [Request("KRW-BTC", "1s", to=to_datetime(STOP), end=to_datetime(0)), Request("KRW-ETH", "1m", count=10**9)]
    first = list(islice(in_turn(ages, 100, lambda request: True), 4))
    assert [part.whole for part in first] == [ages[0], ages[1], ages[0], ages[0]]
    assert first[1].request is ages[1]
