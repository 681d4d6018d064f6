"""Packed bodies, against what zlib itself makes of them whole."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxcandles.exchanges import UpbitExchange
from rxcandles.exchanges.unpacking import UnpackingError, unpacked
from rxcandles.model.timeframe import Timeframe
from tests.support.rawserver import CANDLES, ok, raw_server


def bare(body: bytes) -> bytes:
    """Deflate without the header that it should have."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(body) + packer.flush()


WAYS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    " GZIP ": lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:]),
    "deflate": zlib.compress,
    "Deflate": bare,
    "identity": bytes,
    "": bytes,
}


@given(body=st.binary(max_size=300), way=st.sampled_from(sorted(WAYS)), limit=st.integers(0, 400))
def test_the_same_up_to_the_limit(body: bytes, way: str, limit: int) -> None:
    """The whole body comes back where it is within the limit, else just enough of it to see that it is not."""
    assert unpacked(WAYS[way](body), way, limit) == body[: limit + 1]


@given(body=st.binary(min_size=1, max_size=300), way=st.sampled_from(["gzip", "deflate"]), cut=st.integers(0, 299))
def test_cut_short(body: bytes, way: str, cut: int) -> None:
    """What was cut short is an error, and where only the beginning is wanted, that comes as far as it goes."""
    packed = WAYS[way](body)
    part = packed[: cut % len(packed)]
    with pytest.raises(UnpackingError, match="cut short or garbled"):
        unpacked(part, way, 1000)
    assert body.startswith(unpacked(part, way, 1000, whole=False))


@pytest.mark.parametrize("way", ["br", "zstd", "compress", "gzip, gzip", "gzip, deflate", "\x1b[31m" + "x" * 1000])
def test_not_asked_for(way: str) -> None:
    """What was not asked for is left as it is, whatever is installed; the message names it, and is short."""
    with pytest.raises(UnpackingError, match="was not asked for") as caught:
        unpacked(gzip.compress(b"[]"), way, 1000)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 100


def test_many_members() -> None:
    """A body of a hundred thousand streams is refused soon: unpacking them all takes the square of their number."""
    with pytest.raises(UnpackingError, match="more than 64 pieces"):
        unpacked(gzip.compress(b"") * 100_000, "gzip", 1000)


@pytest.mark.parametrize("way", sorted(WAYS))
async def test_pages(way: str) -> None:
    """A page comes through however it is packed; only what can be unpacked within the bound is asked for."""
    answer = ok(WAYS[way](CANDLES), f"Content-Encoding: {way}")
    async with raw_server(answer) as server, UpbitExchange(server.url) as exchange:
        page = await exchange.page("KRW-BTC", Timeframe.of("1m"), 1_773_240_060, 200)
    assert [row.open for row in page.rows] == [103_600_000.0]
    assert b"\r\naccept-encoding: gzip, deflate\r\n" in server.requests[0].lower()
    assert page.beginning.startswith("""'[{"market":"KRW-BTC",""")
