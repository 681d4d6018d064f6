"""The JSON that commands print: one set of names, times with ``Z``, and the same objects where a signal ends it."""

from __future__ import annotations

import contextlib
import io
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rxcandles.__main__ import main
from rxcandles.cli.objects import NAMES, SERIES
from rxcandles.model.reports import FailedSpan
from rxcandles.util.plain import to_plain

SIMULATED = ["--exchange", "simulated", "--rate-limit", "none"]
DAY = ["--since", "2024-01-01", "--until", "2024-01-02"]


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """What each command that has --json prints."""
    folder = tmp_path_factory.mktemp("json")
    found: dict[str, list[dict[str, Any]]] = {}

    def run(*words: str) -> None:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            assert main([*words, "--json"]) in (0, 1), words
        name = "-".join(words[:2]) if words[0] == "lake" else words[0]
        found.setdefault(name, []).extend(json.loads(line) for line in out.getvalue().splitlines())

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("jobs.toml").write_text(
            'defaults = { exchange = "simulated", rate_limit = "none" }\n'
            '[[jobs]]\nsymbols = ["KRW-ETH"]\ntimeframes = ["60m"]\ncount = 5\n'
        )
        Path("theirs.csv").write_text("timestamp,open,high,low,close,volume\n2020-01-01 00:00:00,1,2,1,2,3\n")
        run("plan", "KRW-ETH", "60m", *DAY, *SIMULATED)
        run("collect", "KRW-ETH", "KRW-GONE", "60m", *DAY, *SIMULATED)
        run("collect", "KRW-ETH", "1M", "--count", "5000", *SIMULATED)
        run("run", "jobs.toml")
        run("import", "theirs.csv", "--symbol", "KRW-ETH", "--timeframe", "60m", "--tz", "UTC")
        run("coverage")
        run("export", "*", "60m", "-o", "all/", "--exchange", "simulated")
        run("lake", "sync", "candle-lake")
        run("lake", "verify", "candle-lake")
        run("verify", "--against-exchange", "1", *SIMULATED)
        run("repair", "--dry-run", *SIMULATED)
        run("markets", "KRW-ETH", *SIMULATED)
        yield found


def values(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every name in an object with its value, however deep."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key, inner
            yield from values(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from values(inner, name)


def test_all_commands(printed: dict[str, list[dict[str, Any]]]) -> None:
    """Each object says what it is, begins with the same names in the same order, and a name is of one type."""
    types: dict[str, set[str]] = {}
    for command, found in printed.items():
        for each in found:
            assert each["schema"] == f"rxcandles/{'collect' if command == 'run' else command}/1"
            assert each["stopped"] is False
            names = [name for name in each if name in SERIES]
            assert list(each)[1 : 1 + len(names)] == sorted(names, key=SERIES.index)
            for name, value in values(each):
                if value is not None:
                    types.setdefault(name, set()).add(type(value).__name__.replace("int", "float"))
    assert {name: kinds for name, kinds in types.items() if len(kinds) > 1} == {}
    assert types.keys() >= NAMES.keys() - {"error"}
    assert not {"from", "to", "end", "span", "rows_count"} & types.keys()


def test_series(printed: dict[str, list[dict[str, Any]]]) -> None:
    """What is about a series names it, whose it is, from when until when, and how many candles, alike everywhere."""
    for command in ("collect", "run", "plan", "coverage", "export"):
        for each in printed[command]:
            assert {*SERIES} <= each.keys(), command
            assert each["exchange"] in ("simulated", "upbit")
    collected, exported = printed["collect"][0], printed["export"][0]
    assert [collected[name] for name in SERIES] == [
        "simulated", "KRW-ETH", "60m", "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", 24,
    ]  # fmt: skip
    assert exported["candles"] == 24 + 5


def test_times(printed: dict[str, list[dict[str, Any]]]) -> None:
    """Every time ends in Z, and no time is written in another way."""
    times = [
        (name, value)
        for found in printed.values()
        for each in found
        for name, value in values(each)
        if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value)
    ]
    assert len(times) > 30
    assert [each for each in times if not each[1].endswith("Z")] == []
    assert all(datetime.fromisoformat(value).utcoffset() is not None for _, value in times)


def test_what_a_count_could_not_have(printed: dict[str, list[dict[str, Any]]]) -> None:
    """A count that the market does not have says so: what was asked, what there is, and that there is no more."""
    months = printed["collect"][2]
    assert months["asked"] == 5000
    assert 12 < months["candles"] < 5000
    assert months["reached_start"] is True
    assert months["first_candle"] < months["last_candle"]
    day = printed["collect"][0]
    assert (day["asked"], day["reached_start"]) == (None, False)
    assert (day["first_candle"], day["last_candle"]) == ("2024-01-01T00:00:00Z", "2024-01-01T23:00:00Z")
    gone = printed["collect"][1]
    assert (gone["symbol"], gone["candles"], gone["first_candle"]) == ("KRW-GONE", None, None)
    assert "404" in gone["error"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped(number: signal.Signals, tmp_path: Path) -> None:
    """A signal prints an object for each series, with what is held by then, and ends within a second or so."""
    words = ["collect", "KRW-ETH", "KRW-BTC", "1m", "--count", "100000", "-vv", "--json", "--exchange", "simulated"]
    command = [sys.executable, "-m", "rxcandles", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stderr is not None
        while "rows stored" not in (line := process.stderr.readline()):
            assert line
        began = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert time.monotonic() - began < 3
    assert "Traceback" not in err
    eth, btc = map(json.loads, out.splitlines())
    for each in (eth, btc):
        assert each["schema"] == "rxcandles/collect/1"
        assert (each["stopped"], each["asked"], each["timeframe"]) == (True, 100_000, "1m")
        assert {"collected_count", "api_calls_made", "first_candle", "reached_start", "error"} <= each.keys()
    assert eth["candles"] + btc["candles"] >= 200


def test_to_dict() -> None:
    """What the library returns is JSON by ``to_dict``: times with Z, spans with two ends, no number JSON can't say."""
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    assert FailedSpan(moment, moment, "gone").to_dict() == {
        "start": "2024-01-01T00:00:00Z", "stop": "2024-01-01T00:00:00Z", "reason": "gone",
    }  # fmt: skip
    assert to_plain([(moment, moment), float("inf"), {1: Path("x")}, (1, 2)]) == [
        {"start": "2024-01-01T00:00:00Z", "stop": "2024-01-01T00:00:00Z"}, None, {"1": "x"}, [1, 2],
    ]  # fmt: skip
