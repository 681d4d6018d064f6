"""The shell asks once: what is wanted, the place, the output. What an exchange calls its markets is its own rule."""

from __future__ import annotations

import importlib
import inspect
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

import pytest

import rxcandles
from rxcandles.__main__ import main
from rxcandles.cli import cli
from rxcandles.cli.commands.repair import _is_span
from rxcandles.cli.import_files import files_of
from rxcandles.cli.place import Place
from rxcandles.cli.wanted import Wanted
from rxcandles.errors import RequestError
from rxcandles.exchanges import UpbitExchange
from rxcandles.integrity.repair import repair
from rxcandles.model import advice, naming
from rxcandles.model.timeframe import Timeframe
from rxcandles.util.arguments import check_symbol, refusal

ASKING = {
    "collect": ["KRW-BTC", "1m", "--count", "1"],
    "get": ["KRW-BTC", "1m", "--count", "1"],
    "stream": ["KRW-BTC", "1m", "--count", "1"],
    "follow": ["KRW-BTC", "1m", "--once"],
    "plan": ["KRW-BTC", "1m", "--count", "1"],
    "markets": [],
    "verify": ["--against-exchange", "1"],
    "repair": ["--absences"],
    "import": ["some.csv", "--symbol", "KRW-BTC", "--timeframe", "1m", "--check", "1"],
}
"""Every command that talks to an exchange, with what it needs."""

IN_OPTIONS = ("connection: Final = together(\n", '    click.option("--busy-timeout", type=float, default=10.0),\n')
IN_PLACE = ("    rate_limit: float | OwnRate | None = OwnRate.OWN\n", "    busy_timeout: float = 10.0\n")


class UsdtExchange(UpbitExchange):
    """An exchange that calls its markets BTCUSDT."""

    example = "BTCUSDT"
    example_glob = "*USDT"

    def check(self, symbol: str, timeframe: Timeframe) -> None:
        check_symbol(symbol)
        if not symbol.endswith("USDT") or not symbol.isalnum():
            raise refusal("symbol", symbol, "write it as BTCUSDT")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def usdt(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of that exchange, which is one line in ``naming``."""
    monkeypatch.setitem(sys.modules, "usdtexchange", SimpleNamespace(UsdtExchange=UsdtExchange))
    monkeypatch.setitem(naming.NAMED, "usdt", naming.Known("https://usdt.invalid", "usdtexchange:UsdtExchange"))
    for module in (naming, advice):
        monkeypatch.setattr(module, "EXCHANGES", (*naming.NAMED, naming.SIMULATED))
    return "usdt"


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Load the command line anew, with lines put in behind others of its files."""

    def load(**lines: tuple[str, str]) -> ModuleType:
        package = tmp_path / "edited"
        shutil.copytree(Path(inspect.getfile(rxcandles)).parent / "cli", package / "cli")
        for name, (before, line) in lines.items():
            path = package / "cli" / f"{name}.py"
            text = path.read_text(encoding="utf-8")
            assert text.count(before) == 1
            path.write_text(text.replace(before, before + line), encoding="utf-8")
        for module in [each for each in sys.modules if each.split(".")[:2] == ["rxcandles", "cli"]]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setattr(rxcandles, "cli", rxcandles.cli)  # so that it is put back
        monkeypatch.setattr(rxcandles, "__path__", [str(package), *rxcandles.__path__])
        return importlib.import_module("rxcandles.cli")

    return load


def test_a_connection_option_is_two_places(
    edited: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new option about the connection is itself and a field: each command that talks to an exchange hands it on."""

    def reached(*_: object, busy_timeout: float, **__: object) -> NoReturn:
        raise RequestError(f"it came: {busy_timeout}")

    monkeypatch.setattr(importlib.import_module("rxcandles.modes.connect"), "connect", reached)
    loaded = edited(options=IN_OPTIONS, place=IN_PLACE)
    asking = {name for name, each in loaded.cli.commands.items() if any(p.name == "exchange" for p in each.params)}
    assert asking == set(ASKING)
    Path("candles.db").touch()
    for name, words in ASKING.items():
        assert main([name, *words, "--busy-timeout", "7"]) == 2, name
        assert capsys.readouterr().err == "rxcandles: it came: 7.0\n"
    Path("jobs.toml").write_text(
        'defaults = { busy_timeout = 8.0 }\n[[jobs]]\nsymbols = ["KRW-BTC"]\ntimeframes = ["1m"]\ncount = 1\n'
    )
    assert main(["run", "jobs.toml"]) == 2
    assert capsys.readouterr().err == "rxcandles: it came: 8.0\n"


def test_few_parameters() -> None:
    """No command takes more than six things."""
    counts = {name: len(inspect.signature(command.callback).parameters) for name, command in cli.commands.items()}  # type: ignore[arg-type]
    assert max(counts.values()) <= 6


def test_another_exchange_at_the_shell(
    usdt: str, edited: Callable[..., ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    """An exchange that is named in one place is taken by --exchange, with its own symbols and its own advice."""
    edited()
    words = ["plan", "1m", "--last", "1d", "--exchange", usdt]
    assert main([*words, "BTCUSDT", "1INCHUSDT"]) == 0
    assert "from 'usdt'" in capsys.readouterr().out
    for symbol, says in (("KRW-BTC", "write it as BTCUSDT"), ("btc*", "such as '*USDT'")):
        assert main([*words, symbol]) == 2
        assert says in capsys.readouterr().err
    assert main(words[:2] + words[4:]) == 2
    assert "`rxcandles plan BTCUSDT 1m --last 30d --exchange usdt`" in capsys.readouterr().err
    assert main(["export", "--exchange", usdt]) == 2
    assert "`rxcandles export BTCUSDT 60m -o BTCUSDT-60m.parquet`" in capsys.readouterr().err
    assert main(["plan", "BTCUSDT", "1m", "--last", "1d"]) == 2
    assert "write QUOTE-BASE as Upbit does" in capsys.readouterr().err


def test_whose_rule_it_is(usdt: str, folder: Path) -> None:
    """What is wanted is held against the rule of the exchange that is meant, and of no other."""
    Wanted(["BTCUSDT", "*USDT"], ["1m"], count=5).check(usdt)
    with pytest.raises(RequestError, match="write it as BTCUSDT"):
        Wanted(["KRW-BTC"], ["1m"], count=5).check(usdt)
    with pytest.raises(RequestError, match="as Upbit does"):
        Wanted(["BTCUSDT"], ["1m"], count=5).check("upbit")
    with pytest.raises(RequestError, match=r"such as BTCUSDT or '\*USDT'"):
        Wanted([], ["1m"], count=5, dashes="").check(usdt)
    (folder / "plain.csv").touch()
    with pytest.raises(RequestError, match="give --symbol BTCUSDT and --timeframe 1m"):
        files_of(["plain.csv"], None, None, usdt)


@pytest.mark.parametrize(
    ("text", "exchange", "is_span"),
    [
        ("30d", "usdt", True), ("2024-01-01", "usdt", True), ("2024/01/01", "usdt", True), ("60", "usdt", False),
        ("1INCHUSDT", "usdt", False), ("3MONTHS", "usdt", True), ("1INCHUSDT", "upbit", True), ("KRW-A", "usdt", False),
    ],
)  # fmt: skip
def test_a_market_after_refetch(text: str, exchange: str, is_span: bool, usdt: str) -> None:
    """A market whose code begins with digits is no span, where the exchange has such markets."""
    assert _is_span(text, Place(exchange=exchange).kind) is is_span


def test_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A symbol of the command line is held against the exchange's rule once, however many timeframes it has."""
    checked: Counter[str] = Counter()
    real = UpbitExchange.check

    def check(self: UpbitExchange, symbol: str, timeframe: Timeframe) -> None:
        checked[symbol] += 1
        real(self, symbol, timeframe)

    monkeypatch.setattr(UpbitExchange, "check", check)
    place, wanted = Place(), Wanted(words=("KRW-ETH", "KRW-XRP", "1m", "60m", "1d"), count=5)
    wanted.check(place.exchange, "collect")
    assert len(place.requests([wanted], [])) == 6
    assert (checked["KRW-ETH"], checked["KRW-XRP"]) == (1, 1)


async def test_a_repair_takes_what_connect_returns(folder: Path) -> None:
    """A repair asks the exchange that ``connect`` has been told of, with all that it was told."""
    opening: Any = rxcandles.connect("candles.db", "simulated", rate_limit=None)
    async with opening as provider:
        await provider.get_candles("KRW-BTC", "60m", to="2024-01-02", end="2024-01-01")
    there = rxcandles.connect(":memory:", "simulated", rate_limit=None)
    assert await there.whose() == "simulated"
    report = await repair("candles.db", there, refetch=True)
    assert (report.requests, report.repaired) == (1, True)
    with pytest.raises(RequestError, match="rate_limit, base_url, name, limiter, share_limit are given to connect"):
        await repair("candles.db", rxcandles.connect(":memory:", "simulated"), rate_limit=3)
