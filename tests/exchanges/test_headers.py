"""What response headers say."""

import pytest

from rxcandles.exchanges.headers import cached_for, http_date, remaining_requests, retry_after


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30", 30.0), ("0", 0.0), (" 7 ", 7.0), ("-1", None), ("old", None), ("", None), (None, None)],
)
def test_age(text: str | None, expected: float | None):
    """``Age`` tells how long a cache has kept an answer; unreadable is unknown."""
    assert cached_for(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("group=candles; min=600; sec=9", 9),
        ("group=candles; min=599; sec=0", 0),
        ("group=candle;min=1800;sec=10", 10),
        ("SEC = 3", 3),
        ("group=candles; min=600", None),
        ("group=candles; sec=-1", None),
        ("group=candles; sec=1.5", None),
        ("group=candles; sec=9999999999999", None),
        ("nanosec=4", None),
        ("", None),
        (None, None),
    ],
)
def test_remaining(text: str | None, expected: int | None):
    """``Remaining-Req`` tells what is left of this second; unreadable is unknown."""
    assert remaining_requests(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wed, 30 Jul 2025 17:36:32 GMT", 1753896992),
        ("Wed, 30 Jul 2025 17:36:32 -0000", 1753896992),
        ("Thu, 31 Jul 2025 02:36:32 +0900", 1753896992),
        ("30 Foo 2025 17:36:32 GMT", None),
        ("Wed, 30 Jul 2025 27:36:32 GMT", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_date(text: str | None, expected: float | None):
    """``Date`` is the server's clock in UTC seconds; unreadable is unknown."""
    assert http_date(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("1.5", 1.5),
        ("Wed, 30 Jul 2025 17:36:32 GMT", 32),
        ("Wed, 30 Jul 2025 17:35:00 GMT", 0),
        ("-5", None),
        ("inf", None),
        ("nan", None),
        ("1e9", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(text: str | None, expected: float | None):
    """``Retry-After`` is seconds, or a date measured against the clock given; a passed one means now."""
    assert retry_after(text, 1753896960) == expected
