"""Every body that was recorded from the real exchange passes, and its pages join."""

import hashlib
import json
from email import message_from_string
from pathlib import Path

import pytest
import reactivex

from rxcandles import operators as ops
from rxcandles.exchanges import check_page
from rxcandles.exchanges.headers import http_date, remaining_requests
from rxcandles.exchanges.upbit.decode import decode_candles, error_message
from rxcandles.model import ORDERS, CandleData, Order, Row
from rxcandles.model.timeframe import Timeframe

RECORDED = Path(__file__).parents[2] / "../shared/recorded"
KINDS = {"seconds": "1s", "minutes": "1m", "days": "1d", "days2": "1d", "weeks": "1w", "months": "1M", "years": "1y"}

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded bodies lie beside the project only")


def checked(path: Path, name: str) -> list[Row]:
    """Decode a recorded body and pass it through the gate, as if asked for right after its newest candle."""
    timeframe = Timeframe.of(name)
    rows = decode_candles(path.read_bytes(), "KRW-BTC", timeframe, path.name)
    to = timeframe.shift(rows[0].open_time, 1)
    page = check_page(
        rows, symbol="KRW-BTC", timeframe=timeframe, to=to, count=200, server_time=rows[0].timestamp / 1000
    )
    assert page.full == (len(rows) == 200)
    assert page.rows == rows
    return rows


def smtm(minutes: int, span: str) -> list[Row]:
    return checked(RECORDED / f"smtm_upbit_{minutes}m_{span}.json", f"{minutes}m")


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(kind: str):
    """One body of each kind, byte for byte: its numbers are those that another JSON reader finds."""
    (path,) = RECORDED.glob(f"upbit_raw_bytes_{kind}_*.json")
    expected = [
        (
            each["opening_price"], each["high_price"], each["low_price"], each["trade_price"],
            each["candle_acc_trade_volume"], each["candle_acc_trade_price"], each["timestamp"],
            each.get("prev_closing_price"), each.get("change_price"), each.get("change_rate"),
        )
        for each in json.loads(path.read_bytes())
    ]  # fmt: skip
    assert [row[1:] for row in checked(path, KINDS[kind])] == expected


def test_every_body():
    """No recorded page of candles is left untried, none is refused."""
    sizes = {path.name: len(checked(path, path.name.split("_")[2])) for path in RECORDED.glob("smtm_upbit_*.json")}
    assert sorted(sizes.values()) == [40, 40, 60, 200, 200]


def test_pages_join():
    """Two consecutive pages of 1m hold all 240 minutes, without a seam."""
    newer = smtm(1, "20200220_202000-20200220_210000")
    older = smtm(1, "20200220_170000-20200220_202000")
    joined = newer + older
    assert (200, 40) == (len(older), len(newer))
    assert [row.open_time for row in joined] == list(range(1582199940, 1582199940 - 240 * 60, -60))
    minute = Timeframe.of("1m")
    assert check_page(joined, symbol="KRW-BTC", timeframe=minute, to=1582200000, count=240, server_time=None).full


@pytest.mark.parametrize("order", ORDERS)
def test_aggregated(order: Order):
    """Resampled from the minutes, 3m candles equal those that were recorded, in either order."""
    minutes = smtm(1, "20200220_202000-20200220_210000") + smtm(1, "20200220_170000-20200220_202000")
    recorded = smtm(3, "20200220_170000-20200220_200000")
    assert len(recorded) == 60
    if order == "oldest_first":
        minutes.reverse()
        recorded.reverse()
    resampled: list[CandleData] = []
    reactivex.of(CandleData.of("KRW-BTC", "1m", minutes)).pipe(ops.resample("3m", order=order)).subscribe(
        resampled.extend
    )
    assert len(resampled) == 80
    resampled = [each for each in resampled if each.open_seconds <= max(row.open_time for row in recorded)]
    for made, expected in zip(resampled, recorded, strict=True):
        row = made.row
        assert (row.volume, row.turnover) == pytest.approx((expected.volume, expected.turnover), rel=1e-9)
        assert row._replace(volume=expected.volume, turnover=expected.turnover) == expected


def test_timestamp_late():
    """``timestamp`` passes the candle's end on every seventh row; none is refused for it."""
    rows = smtm(1, "20200220_170000-20200220_202000")
    late = [row for row in rows if row.timestamp >= (row.open_time + 60) * 1000]
    assert 20 < len(late) < 40


def test_headers():
    """The recorded headers tell the server's clock and what is left; the ETag is the body's md5."""
    (path,) = RECORDED.glob("upbit_raw_headers_days2_*.txt")
    text = path.read_text(encoding="utf-8")
    headers = message_from_string(text[text.index("date:") :])
    assert http_date(headers["Date"]) == 1753896992
    assert remaining_requests(headers["Remaining-Req"]) == 9
    (body,) = RECORDED.glob("upbit_raw_bytes_days2_*.json")
    assert headers["ETag"] == f'W/"0{hashlib.md5(body.read_bytes()).hexdigest()}"'


def test_error_bodies():
    """Every recorded error body has its message read."""
    lines = (RECORDED / "upbit_error_bodies.jsonl").read_text(encoding="utf-8").splitlines()
    for line in map(json.loads, lines):
        message = error_message((line["body"] or "").encode())
        assert message in ("no message", "'Too many API requests.'") or f'"{message}"' in line["body"]
    assert len(lines) == 8
