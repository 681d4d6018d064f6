"""What people write at first: near misses are answered with the answer, and what is missing is said at once."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import rxcandles
from rxcandles.__main__ import main
from rxcandles.model import moments

SIMULATED = ["--exchange", "simulated", "--rate-limit", "none"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("BTC/KRW 60m --last 1d", "did you mean 'KRW-BTC'?"),
        ("BTC-KRW 60m --last 1d", "did you mean 'KRW-BTC'?"),
        ("KRW_BTC 60m --last 1d", "did you mean 'KRW-BTC'?"),
        ("BTC 60m --last 1d", "did you mean 'KRW-BTC'?"),
        ("krw-btc 60m --last 1d", "did you mean 'KRW-BTC'?"),
        ("KRW-BTC minute60 --last 1d", "'minute60' is not a timeframe; did you mean '60m'?"),
        ("KRW-BTC 60 --last 1d", "'60' is not a timeframe; did you mean '60m'?"),
        ("KRW-BTC 60m --last 30", "did you mean 30d (days), or --count 30 (candles)?"),
        ("KRW-BTC 60m --last 3months", "did you mean 3M?"),
        ("KRW-BTC 60m --last 6m", "m is minutes: did you mean 6M, 6 months?"),
        ("KRW-BTC 1d --last 12h", "shorter than one 1d candle; give a longer one"),
        ("KRW-BTC 60m --since 2024/01/01", "did you mean 2024-01-01?"),
        ("KRW-BTC 60m --since 20240131", "did you mean 2024-01-31?"),
        ("KRW-BTC 60m --since 2024", "did you mean 2024-01-01?"),
        ("KRW-BTC 60m --since 2024.1.5", "did you mean 2024-01-05?"),
        ("KRW-BTC 60m --count 1,000", "did you mean 1000?"),
        ("KRW-BTC 60m --count 1_000", "did you mean 1000?"),
        ("KRW-BTC 60m --count 1e3", "did you mean 1000?"),
        ("KRW-BTC 60m --count 2k", "did you mean 2000?"),
        ("KRW-BTC 60m --count 30d", "did you mean --last 30d?"),
        ("KRW-BTC 60m --since 2024-01-01 --tz Mars", "'Asia/Seoul'"),
    ],
)
def test_near_misses(words: str, says: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A near miss is refused in one line that has what was meant, and nothing is made."""
    for command in ("collect", "get", "plan", "stream"):
        assert main([command, *words.split()]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert says in err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "missing", "example"),
    [
        ([], "missing: a market (SYMBOL), a timeframe (TIMEFRAME) and a start", "KRW-BTC 60m --last 30d"),
        (["KRW-ETH"], "missing: a timeframe (TIMEFRAME) and a start", "KRW-ETH 60m --last 30d"),
        (["1d", "--count", "5"], "missing: a market (SYMBOL); ", "KRW-BTC 1d --count 5"),
        (["KRW-ETH", "--last", "2y"], "missing: a timeframe (TIMEFRAME); ", "KRW-ETH 60m --last 2y"),
        (["KRW-ETH", "1d", "--until", "2024-01-01"], "--until is only the end", "KRW-ETH 1d --last 30d"),
        (["KRW-ETH", "--since", "2024-01-01"], "missing: a timeframe", "KRW-ETH 60m --since 2024-01-01T00:00Z"),
    ],
)
@pytest.mark.parametrize("command", ["collect", "get", "plan", "stream"])
def test_all_at_once(
    command: str, words: list[str], missing: str, example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that is missing is said at once, with a command that works."""
    assert main([command, *words]) == 2
    err = capsys.readouterr().err
    assert missing in err
    assert f"`rxcandles {command} {example}`" in err
    assert main(["plan", *example.split(), *SIMULATED]) == 0


@pytest.mark.parametrize(
    ("words", "start"),
    [
        (["--since", "2024-01-01", "--tz", "KST"], "2023-12-31T15:00:00"),
        (["--tz", "Asia/Seoul", "--since", "2024-01-01 09:00"], "2024-01-01T00:00:00"),
        (["--since", "2024-01-01T00:00Z", "--tz", "KST"], "2024-01-01T00:00:00"),
        (["--since", "2024-01-01 09:00 KST"], "2024-01-01T00:00:00"),
        (["--since", "2024-01-01"], "2024-01-01T00:00:00"),
    ],
)
def test_zone(words: list[str], start: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--tz is the zone of times that name none, wherever it stands."""
    given = [*words, "--until", "2024-01-01T03:00Z", "--order", "oldest_first", "--format", "csv"]
    assert main(["get", "KRW-BTC", "60m", *given, *SIMULATED]) == 0
    assert capsys.readouterr().out.splitlines()[1].split(",")[1] == start


def test_zone_of_the_environment(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """RXCANDLES_TZ is the same for every command; --tz goes before it."""
    monkeypatch.setenv("RXCANDLES_TZ", "Asia/Seoul")
    for more, start in (([], "2023-12-31T15:00:00"), (["--tz", "UTC"], "2024-01-01T00:00:00")):
        words = ["--since", "2024-01-01", "--until", "2024-01-01T03:00Z", "--order", "oldest_first", "--format", "csv"]
        assert main(["get", "KRW-BTC", "60m", *words, *more, *SIMULATED]) == 0
        assert capsys.readouterr().out.splitlines()[1].split(",")[1] == start


def test_words(capsys: pytest.CaptureFixture[str]) -> None:
    """--since and --until are the words in every help; --to and --end stay, and no help has them."""
    for command in ("collect", "get", "plan", "stream", "coverage", "chart", "export"):
        assert main([command, "--help"]) == 0
        out = capsys.readouterr().out
        assert "--since" in out
        assert "--until" in out
        assert "--to " not in out
        assert "--end " not in out
    for ends in (["--until", "2024-01-02"], ["--to", "2024-01-02"]):
        assert main(["plan", "KRW-BTC", "60m", "--since", "2024-01-01", *ends, *SIMULATED]) == 0
        assert " 24 " in capsys.readouterr().out
    assert main(["plan", "KRW-BTC", "60m", "--end", "2024-01-01", "--to", "2024-01-02", *SIMULATED]) == 0


def test_bare(capsys: pytest.CaptureFixture[str]) -> None:
    """The bare command prints its help on stdout, as lines, with a glossary, and exits 0."""
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("Usage: rxcandles")
    assert "m is minutes" in out
    assert all(f"\n    {word}" in out for word in ("series", "slot", "proven", "missing", "provisional"))


@pytest.mark.parametrize(("tz", "hours"), [("Asia/Seoul", 9), (ZoneInfo("America/New_York"), -5), (None, 0)])
async def test_naive_datetimes(
    tz: str | ZoneInfo | None, hours: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A naive datetime is in the zone of ``connect``; without one it is UTC, and the log says so once."""
    monkeypatch.setattr(moments, "_told", False)
    with caplog.at_level(logging.WARNING, "rxcandles"):
        async with rxcandles.connect(":memory:", "simulated", rate_limit=None, tz=tz) as provider:
            for _ in range(2):
                to, end = datetime(2024, 1, 2), datetime(2024, 1, 1)
                candles = await provider.get_candles("KRW-BTC", "60m", to=to, end=end)
    assert len(candles) == 24
    assert candles[-1].open_time == datetime(2024, 1, 1, tzinfo=UTC) - timedelta(hours=hours)
    said = [each.getMessage() for each in caplog.records if "time zone" in each.getMessage()]
    assert len(said) == (tz is None)
    assert all("is taken as UTC" in each for each in said)


def test_no_such_zone() -> None:
    """A zone that there is none of is refused before a file is made."""
    with pytest.raises(rxcandles.RequestError, match="tz is 'Mars'"):
        rxcandles.connect("candles.db", tz="Mars")


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """With --quiet nothing is printed where all is well, whatever was new, and one line where it is not."""
    Path("jobs.toml").write_text(
        '[defaults]\nexchange = "simulated"\nrate_limit = "none"\n'
        '[[jobs]]\nsymbols = ["KRW-ETH", "KRW-BTC"]\ntimeframes = ["60m"]\ncount = 5\n'
    )
    assert main(["collect", "KRW-BTC", "60m", "--count", "10", *SIMULATED, "--quiet"]) == 0
    assert main(["collect", "KRW-BTC", "KRW-ETH", "60m", "--count", "20", *SIMULATED, "--quiet"]) == 0
    assert main(["run", "jobs.toml", "--quiet"]) == 0
    assert main(["export", "*", "60m", "-o", "all/", "--quiet"]) == 0
    assert main(["chart", "*", "60m", "-o", "all/", "--quiet"]) == 0
    assert main(["import", "all/KRW-BTC-60m.parquet", "--exchange", "simulated", "--quiet", "--symbol", "KRW-BTC",
                 "--timeframe", "60m"]) == 0  # fmt: skip
    for command in ("coverage", "verify", "repair"):
        assert main([command, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["collect", "KRW-GONE", "60m", "--count", "10", *SIMULATED, "--quiet"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
