"""Times as people see them are in the zone of ``--tz`` or ``RXCANDLES_TZ``, whose name is said; programs get UTC."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxcandles.__main__ import main
from rxcandles.cli.console import format_candles, summary_table
from rxcandles.cli.times import ZONE, at_home, home, span_shown, time_shown, time_written
from rxcandles.model import CandleData
from rxcandles.model.moments import read_length, read_time
from rxcandles.model.timeframe import Timeframe
from rxcandles.stores import SqliteStore
from tests.support.fakes import row

SIMULATED = ["--exchange", "simulated", "--rate-limit", "none"]
HOUR, START = Timeframe.of("60m"), int(datetime(2024, 3, 10, tzinfo=UTC).timestamp())
SPAN = ["--since", "2024-03-10T05:00Z", "--until", "2024-03-10T09:00Z"]

ZONES = {
    "UTC": ("2024-03-10 05:00", "2024-03-10 09:00"),
    "Asia/Seoul": ("2024-03-10 14:00", "2024-03-10 18:00"),
    "KST": ("2024-03-10 14:00", "2024-03-10 18:00"),
    "America/New_York": ("2024-03-10 00:00", "2024-03-10 05:00"),  # the clocks go forward in between
    "Asia/Kathmandu": ("2024-03-10 10:45", "2024-03-10 14:45"),
}
"""How the ends of the span are shown."""

COMMANDS = {
    "collect": ["collect", "KRW-ETH", "60m", *SPAN, *SIMULATED],
    "several": ["collect", "KRW-BTC", "KRW-ETH", "60m", *SPAN, *SIMULATED],
    "plan": ["plan", "KRW-ETH", "60m", *SPAN, *SIMULATED],
    "coverage": ["coverage", "KRW-BTC"],
    "chart": ["chart", "KRW-BTC", "60m", "--force", "-o", "a.html"],
    "export": ["export", "KRW-BTC", "60m", "--force", "-o", "a.csv"],
    "complete": ["export", "KRW-BTC", "60m", *SPAN[:2], "--until", "2024-03-10T11:00Z", "--force", "-o", "a.csv"],
    "nothing": ["export", "KRW-BTC", "60m", *SPAN[:1], "2024-03-12", "--until", "2024-03-13", "-o", "b.csv"],
    "not before": ["plan", "KRW-BTC", "60m", "--since", SPAN[1], "--until", SPAN[1]],
    "verify": ["verify", "--db", "wrong.db"],
    "repair": ["repair", "--dry-run", "--db", "wrong.db", *SIMULATED],
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hours of KRW-BTC 60m, and the same with one candle fewer than the record says."""
    folder = tmp_path_factory.mktemp("zones")

    async def fill() -> None:
        for name, count in (("candles.db", 4), ("wrong.db", 4)):
            async with SqliteStore(folder / name, exchange="simulated") as store:
                rows = [row(START + 3600 * at) for at in range(4 + count, 4, -1)]
                await store.write("KRW-BTC", HOUR, rows, (START + 5 * 3600, START + 9 * 3600))
                if name == "wrong.db":
                    await store._open.rows("DELETE FROM candles WHERE open_time = ?", (START + 6 * 3600,))

    asyncio.run(fill())
    return folder


@pytest.fixture(autouse=True)
def folder(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    for each in filled.glob("*.db"):
        (tmp_path / each.name).write_bytes(each.read_bytes())
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the command, its times are those of the zone, and the zone's name or its offset stands beside them."""
    for zone, (start, stop) in ZONES.items():
        for by in ("option", "variable"):
            with monkeypatch.context() as patch:
                if by == "variable":
                    patch.setenv("RXCANDLES_TZ", zone)
                assert main([*COMMANDS[name], *(["--tz", zone] if by == "option" else [])]) in (0, 2, 3)
            out, err = capsys.readouterr()
            told = out + err
            if name == "nothing":  # what is asked for instead, by an error of the library
                assert f"what is stored is from {start}:00 to " in told
            elif name == "not before":
                assert start.replace(" ", "T") in told
                continue
            else:
                assert start in told, told
                assert stop in told or name == "complete"
            assert zone in told
            assert zone == "UTC" or "UTC" not in told


@pytest.mark.parametrize("command", ["get", "stream"])
def test_candles(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A table of candles is in the zone and says which; csv and jsonl are the same in all of them."""
    same = set()
    words = [command, "KRW-BTC", "60m", *SPAN, *SIMULATED, "--quiet", "--order", "oldest_first"]
    for zone, (start, _) in ZONES.items():
        assert main([*words, "--tz", zone]) == 0
        *head, first = capsys.readouterr().out.splitlines()[:-3]
        assert first.startswith(f"{start} ")
        assert zone in "\n".join(head)
        assert max(map(len, head)) == len(first) == 80
        for style in ("csv", "jsonl"):
            assert main([*words, "--tz", zone, "--format", style]) == 0
            same.add(capsys.readouterr().out)
    assert len(same) == 2


@pytest.mark.parametrize("command", ["collect", "several", "plan", "coverage", "export", "verify", "chart"])
def test_json(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON is in UTC, with Z, whatever the zone."""
    told = set()
    for zone in ZONES:
        assert main([*COMMANDS[command], "--tz", zone, "--json"]) in (0, 3)
        for line in capsys.readouterr().out.splitlines():
            found = json.loads(line)
            start = found["findings"][0]["start"] if command == "verify" else found["start"]
            told.add((found.get("symbol"), start, found.get("stop")))
    assert {start for _, start, _ in told} == {"2024-03-10T05:00:00Z"}
    assert len(told) == 1 + (command == "several")


def test_advised_commands(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that a message advises means the same wherever it is run, since its times say their zone."""
    monkeypatch.setenv("RXCANDLES_TZ", "America/New_York")
    assert main(["export", "KRW-BTC", "60m", "--until", "2024-03-10T11:00Z", "-o", "a.csv"]) == 0
    assert "--since 2024-03-10T00:00:00-05:00 --until 2024-03-10T07:00:00-04:00" in capsys.readouterr().err
    assert main(["get", "KRW-BTC", "--since", "2024-01-01"]) == 2
    assert "--since 2024-01-01T00:00-05:00`" in capsys.readouterr().err


def test_twice() -> None:
    """A time that comes twice, in the night when clocks go back, has its offset; a line stays as wide as all others."""
    token = ZONE.set(ZoneInfo("America/New_York"))
    try:
        opens = [datetime(2024, 11, 3, hour, tzinfo=UTC) for hour in (4, 5, 6, 7)]
        assert [time_shown(each, "%H:%M") for each in opens] == ["00:00", "01:00-04:00", "01:00-05:00", "02:00"]
        rows = [row(int(each.timestamp())) for each in opens]
        candles = CandleData.of("KRW-BTC", "60m", rows)
        lines = list(format_candles(candles, "table"))
        assert lines[0] == "times in America/New_York"
        assert [len(each) for each in lines[1:]] == [80] * 5
        assert lines[3].startswith("2024-11-03 01:00-04:00 ")
        assert [each.header for each in summary_table({}).columns][4:6] == ["from", "to"]
    finally:
        ZONE.reset(token)


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2037, 1, 1)), st.sampled_from([*ZONES, "Europe/London", "Etc/GMT-14"])
)
def test_written(moment: datetime, zone: str) -> None:
    """What is written for a command is read as the same instant; a message of the library keeps its instants too."""
    instant = moment.replace(tzinfo=UTC, microsecond=0)
    token = ZONE.set(UTC if zone == "UTC" else home(instant).tzinfo or UTC)
    ZONE.set(UTC if zone == "UTC" else ZoneInfo("Asia/Seoul" if zone == "KST" else zone))
    try:
        assert read_time("since", time_written(instant)) == instant
        said = at_home(f"the candle of {instant:%Y-%m-%dT%H:%M:%S}Z is gone; '{instant:%Y-%m-%dT%H:%M:%S}Z'")
        assert read_time("time", said.split()[3]) == instant
        assert said.endswith(f"'{instant:%Y-%m-%dT%H:%M:%S}Z'")
        utc = f"{instant:%Y-%m-%d %H:%M:%S}"
        assert at_home(f"from {utc} to {utc} UTC") == f"from {span_shown(instant, instant)}"
        assert at_home("2023-02-30T00:00:00Z, 2023-02-30 00:00:00 UTC").count("2023-02-30") == 2
    finally:
        ZONE.reset(token)


@pytest.mark.parametrize(
    ("zone", "until", "last", "start"),
    [
        ("Asia/Seoul", "2024-03-01", "1M", "2024-01-31T15:00:00Z"),  # February of Seoul
        ("UTC", "2024-03-01", "1M", "2024-02-01T00:00:00Z"),
        ("America/New_York", "2024-04-01", "1M", "2024-03-01T05:00:00Z"),  # winter time then
        ("America/New_York", "2024-03-11", "24h", "2024-03-10T04:00:00Z"),  # a day of 23 hours: 24 hours all the same
        ("America/New_York", "2024-11-04", "2d", "2024-11-02T05:00:00Z"),
    ],
)
def test_last(zone: str, until: str, last: str, start: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Months of --last are those of the zone; hours and days are as long as anywhere."""
    for command in (["plan", "KRW-BTC", "60m", *SIMULATED], ["collect", "KRW-XRP", "60m", *SIMULATED]):
        assert main([*command, "--until", until, "--last", last, "--tz", zone, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["start"] == start
    Path("jobs.toml").write_text(
        f'defaults = {{ exchange = "simulated", rate_limit = "none" }}\n[[jobs]]\nsymbols = ["KRW-XRP"]\n'
        f'timeframes = ["60m"]\nuntil = {until}\nlast = "{last}"\n'
    )
    assert main(["run", "jobs.toml", "--tz", zone, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["start"] == start
    for command in (["export", "KRW-XRP", "60m", "-o", "a.csv"], ["chart", "KRW-XRP", "60m", "-o", "a.html"]):
        assert main([*command, "--until", until, "--last", last, "--tz", zone, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["start"] == start


def test_length_over_a_change_of_clocks() -> None:
    """A length of seconds, hours or days is that long also where a clock is put back or forward in between."""
    there = datetime(2024, 11, 3, 12, tzinfo=ZoneInfo("America/New_York"))
    for text, seconds in (("24h", 86_400), ("1d", 86_400), ("1w", 7 * 86_400)):
        assert there.timestamp() - read_length("last", text).before(there).timestamp() == seconds
    assert read_length("last", "1M").before(there) == datetime(2024, 10, 3, 12, tzinfo=there.tzinfo)


def test_log(capsys: pytest.CaptureFixture[str]) -> None:
    """The log's own times, and those in it, are in the zone."""
    logger = logging.getLogger("rxcandles")
    real = logger.makeRecord

    def at_noon(*arguments: object, **named: object) -> logging.LogRecord:
        record = real(*arguments, **named)  # type: ignore[arg-type]
        record.created = START + 12 * 3600
        return record

    for each in ("rxcandles.store", "rxcandles.fetch", "rxcandles.run"):
        logging.getLogger(each).makeRecord = at_noon  # type: ignore[method-assign]
    try:
        assert main(["collect", "KRW-ETH", "60m", *SPAN, *SIMULATED, "--tz", "KST", "-vv"]) == 0
    finally:
        for each in ("rxcandles.store", "rxcandles.fetch", "rxcandles.run"):
            del logging.getLogger(each).makeRecord
    err = capsys.readouterr().err
    assert "21:00:00 DEBUG rxcandles.fetch: " in err
    assert "2024-03-10 14:00:00 to 2024-03-10 18:00:00 KST" in err


def test_bad_variable(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A zone that there is none of is refused where times matter, and hinders nothing else."""
    monkeypatch.setenv("RXCANDLES_TZ", "Mars")
    for words in (["coverage"], ["verify"], ["collect", "KRW-BTC", "60m", "--count", "1"]):
        assert main(words) == 2
        assert "RXCANDLES_TZ is 'Mars'" in capsys.readouterr().err
    assert main(["markets", *SIMULATED]) == 0
    assert main([]) == 0
