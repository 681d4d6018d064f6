"""Where a signal ends a command with --json, it prints the objects that it would have printed, with what is known."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import signal
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from rxcandles.__main__ import main
from rxcandles.cli.objects import SERIES
from rxcandles.model.timeframe import Timeframe
from rxcandles.stores import SqliteStore
from rxcandles.util.stopping import Stopping
from tests.support.fakes import row

SIMULATED = ["--exchange", "simulated", "--rate-limit", "none"]
SPAN = ["--since", "2024-01-01", "--until", "2024-01-02"]
BOTH = ["KRW-BTC", "KRW-ETH", "60m"]
HOUR, START = Timeframe.of("60m"), 1_704_067_200

COMMANDS = {
    "collect": (["collect", *BOTH, *SPAN, *SIMULATED], "rxcandles.stores:SqliteStore.write"),
    "run": (["run", "jobs.toml"], "rxcandles.stores:SqliteStore.write"),
    "plan": (["plan", *BOTH, *SPAN, *SIMULATED], "rxcandles.modes.provider:CandleDataProvider.plan"),
    "coverage": (["coverage"], "rxcandles.cli.coverage_data:ends_held"),
    "export": (["export", "*", "-o", "files/", "--force"], "rxcandles.cli.commands.export:export_candles"),
    "chart": (["chart", "*", "-o", "files/"], "rxcandles.cli.commands.chart:_read"),
    "import": (
        ["import", "in/", "--db", "new.db", "--symbol", "KRW-BTC"],
        "rxcandles.cli.commands.import_:read_candles",
    ),
    "verify": (["verify"], "rxcandles.cli.commands.verify:verify_file"),
    "repair": (["repair", "--refetch", *SIMULATED], "rxcandles.stores:SqliteStore.write"),
    "markets": (["markets", "*-BTC", *SIMULATED], "rxcandles.cli.commands.markets:listed"),
}
"""Every command with --json, and what it calls for each series."""

ONE = {"verify", "repair", "markets"}
"""Those that print one object, or learn of all at once."""

AS_IT_GOES = {"chart", "import"}
"""Those that print an object when its series is done."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stopped") / "candles.db"

    async def fill() -> None:
        async with SqliteStore(path, exchange="simulated") as store:
            for symbol in ("KRW-BTC", "KRW-ETH"):
                rows = [row(START + 3600 * at) for at in range(4, -1, -1)]
                await store.write(symbol, HOUR, rows, (START, START + 5 * 3600))

    asyncio.run(fill())
    return path


@pytest.fixture(autouse=True)
def folder(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("candles.db").write_bytes(filled.read_bytes())
    Path("in").mkdir()
    for number in (1, 2):
        lines = ["time,open,high,low,close,volume", f"2020-01-0{number} 00:00:00Z,1,2,1,2,3"]
        Path(f"in/KRW-BTC_60m_{number}.csv").write_text("\n".join(lines))
    Path("jobs.toml").write_text(
        'defaults = { exchange = "simulated", rate_limit = "none" }\n'
        '[[jobs]]\nsymbols = ["KRW-BTC", "KRW-ETH"]\ntimeframes = ["60m"]\ncount = 5\n'
    )
    return tmp_path


@pytest.fixture
def printed(filled: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[dict[str, Any]]]:
    def run(words: list[str], *codes: int) -> list[dict[str, Any]]:
        for each in Path().glob("*.db*"):
            each.unlink()
        Path("candles.db").write_bytes(filled.read_bytes())
        capsys.readouterr()
        assert main([*words, "--json"]) in codes, capsys.readouterr().err
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def struck(target: str, at: int, patch: pytest.MonkeyPatch) -> None:
    """Let Ctrl-C come at the call number ``at`` of a function."""
    stopping = Stopping()
    stopping._listening = [signal.SIGINT]
    for module in ("rxcandles.cli", "rxcandles.cli.runner"):
        patch.setattr(importlib.import_module(module), "STOPPING", stopping)
    module, _, path = target.partition(":")
    *outer, name = path.split(".")
    owner = reduce(getattr, outer, importlib.import_module(module))
    real, calls = getattr(owner, name), 0

    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != at:
            return real(*arguments, **named)
        if stopping._cancel is None:
            raise KeyboardInterrupt
        stopping.number = signal.SIGINT
        stopping._cancel()
        if not inspect.iscoroutinefunction(real):
            raise asyncio.CancelledError
        return later(*arguments, **named)

    async def later(*arguments: Any, **named: Any) -> Any:
        for _ in range(5):
            await asyncio.sleep(0)
        return await real(*arguments, **named)  # what writes is not cancelled any more

    patch.setattr(owner, name, call)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_same_objects(
    command: str, printed: Callable[..., list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped before the first series, between two, or while it prints, a command prints objects of the same names.

    What was done by then is told as ever, each object once.
    """
    words, where = COMMANDS[command]
    for at in (1, 2) if command not in ONE else (1,):
        with monkeypatch.context() as patch:
            struck(where, at, patch)
            stopped = printed(words, 130)
        begun = at - 1 if command in AS_IT_GOES else 0
        assert [each["stopped"] for each in stopped] == [False] * begun + [True] * (len(stopped) - begun)
        for each in stopped:
            assert each["schema"] == f"rxcandles/{'collect' if command == 'run' else command}/1"
            if at == 1 and command not in ("collect", "run"):
                assert not each.get("candles")
        if command not in ONE:
            assert len(stopped) == 2
            assert {each["symbol"] for each in stopped} <= {"KRW-BTC", "KRW-ETH"}
            assert {each["timeframe"] for each in stopped} == {"60m"}
            assert command == "import" or len({each["symbol"] for each in stopped}) == 2
    whole = printed(words, 0, 1, 3)
    for each in stopped:
        assert each.keys() == whole[0].keys()
        assert [name for name in each if name in SERIES] == [name for name in whole[0] if name in SERIES]
    if command not in ONE | {"collect", "run"}:
        assert {**stopped[0], "stopped": False} == whole[0]
    if len(whole) > 1:
        with monkeypatch.context() as patch:
            struck("rxcandles.cli.objects:echo", 2, patch)
            told = printed(words, 130)
        assert [each["stopped"] for each in told[:2]] == [False, True]
        assert len(told) == len(whole)
        assert [each.get("symbol") for each in told] == [each.get("symbol") for each in whole]


def test_before_anything_is_known(
    printed: Callable[..., list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped before it knows which series there are, a command prints one object, of the same names."""
    for command, where in (
        ("coverage", "rxcandles.stores:SqliteStore.series"),
        ("export", "rxcandles.cli.commands.export:series_of"),
        ("chart", "rxcandles.cli.commands.chart:series_of"),
        ("import", "rxcandles.cli.commands.import_:files_of"),
    ):
        whole = printed(COMMANDS[command][0], 0)
        with monkeypatch.context() as patch:
            struck(where, 1, patch)
            [told] = printed(COMMANDS[command][0], 130)
        assert told.keys() == whole[0].keys(), command
        assert (told["stopped"], told["symbol"]) == (True, None)


def test_stdout(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file goes to stdout, the object goes to stderr, stopped or not."""
    for words in (["export", "KRW-BTC", "60m"], ["chart", "KRW-BTC", "60m"]):
        for code in (130, 0):
            with monkeypatch.context() as patch:
                if code:
                    struck(COMMANDS[words[0]][1], 1, patch)
                assert main([*words, "-o", "-", "--json"]) == code
            out, err = capfd.readouterr()
            told = json.loads(err.splitlines()[0])
            assert (told["schema"], told["stopped"]) == (f"rxcandles/{words[0]}/1", bool(code))
            assert (out == "") == bool(code)
