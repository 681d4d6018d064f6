"""The Python that the documents say between backticks runs."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import reactivex
from reactivex import operators as rx

import rxcandles
from rxcandles import (
    CandleDataProvider,
    Request,
    RequestError,
    Timeframe,
    charts,
    exchanges,
    operators,
    ports,
    simulator,
)
from tests.support.docspans import filled, of, told
from tests.support.documents import OPERATORS

RAISES: dict[str, type[Exception]] = {"Observable.run()": RequestError}
"""What is refused, as the text beside says."""


MEANS: dict[str, str] = {
    "repair(…, findings=report)": "{'report': []}",
    "rxcandles.to_pyupbit(candles)": "{'candles': candles.get_candles('KRW-BTC', '1m', count=3)}",
    **dict.fromkeys(("Observable[A]", "Observable[B]"), "{'Observable': reactivex.Observable}"),
}
"""What a name means in one span that means something else in the others."""

EXCHANGES_OWN = ("absent_slot", "check", "markets", "page", "page_anew", "retention")
"""Methods that stand without their object where it is said what an exchange has."""


class Items(list[int]):
    """For both ways to go through items."""

    async def __aiter__(self) -> AsyncIterator[int]:
        yield 1


def told_to(*_: object) -> None:
    """A callback."""


@pytest_asyncio.fixture
async def known(
    candle_provider: CandleDataProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upbit_simulator: object
) -> AsyncIterator[dict[str, Any]]:
    """What the names in the documents' code mean, with a day of candles stored."""
    monkeypatch.chdir(tmp_path)
    store = candle_provider.repository
    stop = datetime.now(UTC)
    start = stop - timedelta(hours=2)
    await candle_provider.collect_candles_only("KRW-BTC", "1m", to=stop, end=start)
    request = Request("KRW-BTC", "1m", count=3)
    source = operators.plan_chunks(request).pipe(operators.guard_plan(3))
    given: dict[str, Any] = {name: getattr(simulator, name) for name in simulator.__all__}
    given |= {name: getattr(rxcandles, name) for name in rxcandles.__all__}
    given |= {name: getattr(operators, name) for name in operators.__all__}
    given |= {"reactivex": reactivex, "rx": rx, "merge": rx.merge, "replay": rx.replay, "Callable": Callable}
    given |= {"rxcandles": rxcandles, "operators": operators, "ops": operators, "charts": charts, "ports": ports}
    given |= {"UpbitExchange": exchanges.UpbitExchange, "simulator": simulator.Simulator()}
    given |= {"provider": candle_provider, "get_candles": candle_provider.get_candles, "store": store}
    given |= {"collect_many": candle_provider.collect_many, "requests": [request]}
    given |= {"collect_candles_only": candle_provider.collect_candles_only, "exchange": candle_provider.exchange}
    given |= {"limiter": candle_provider.limiter, "request": request, "Observable": source, "A": int, "B": int}
    given |= {"source": reactivex.of(1), "sources": (), "observers": (print,), "callback": told_to, "write": print}
    given |= {"feed": candle_provider.follow("KRW-BTC", "1m"), "follow": candle_provider.follow}
    given |= {"stream": candle_provider.stream_candles("KRW-BTC", "1m", count=3), "items": Items()}
    given |= {"start": start, "stop": stop, "span": (int(start.timestamp()), int(stop.timestamp()))}
    given |= {"symbol": "KRW-BTC", "timeframe": Timeframe.of("1m"), "rows": [], "covered": (0, 60)}
    given |= {name: getattr(candle_provider.exchange, name) for name in EXCHANGES_OWN}
    given |= {
        "mine": candle_provider.exchange,
        "to": given["span"][1],
        "oldest": given["span"][0],
        "first": given["span"][0],
        "count": 3,
    }
    given |= {"first_open": told_to, "page_cost": told_to, "close": told_to, "message": "418", "seconds": 60.0}
    given |= {"row": rxcandles.Row(60, 9.0, 9.0, 9.0, 9.0, 1.0, 9.0, 60_000)}
    given |= {"trades": 3, "taker_volume": 0.5, "taker_turnover": 4.5}
    given |= {"path": "other.db", "tmp_path": tmp_path, "upbit_simulator": upbit_simulator}
    given |= {"limit": 100, "rate": 10.0, "size": 10, "function": str, "generator": str}
    given |= {"frame": {"KRW-BTC": {"close": 1.0}}, "data": await charts.read_chart(store, "KRW-BTC", "1m")}
    with rxcandles.open("sync.db", exchange="simulated", rate_limit=None) as candles:
        async with simulator.Simulator() as sim:
            yield given | {"candles": candles, "sim": sim}


async def test_python(known: dict[str, Any]) -> None:
    """Python runs, beside a simulated exchange."""
    faults = {}
    for span in sorted(of("python"), key=lambda span: "provider.close" in span):  # the last that is done with it
        space = known | eval(MEANS.get(span, "{}"), dict(known))
        try:
            await ran(span, space)
            assert span not in RAISES
            if space["provider"] is not known["provider"]:
                await space["provider"].close()
        except Exception as error:
            if not isinstance(error, RAISES.get(span, ())):
                faults[span] = error
    assert told(faults) == ""


async def ran(span: str, space: dict[str, Any]) -> None:
    tree = filled(span.replace("2024-01-01", f"{space['start']:%Y-%m-%d}"))
    if isinstance(tree.body[-1], ast.Expr):
        code = compile(ast.Expression(tree.body[-1].value), span, "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    else:
        code = compile(tree, span, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    found = eval(code, space)
    if inspect.iscoroutine(found):
        await found
    elif isinstance(found, rxcandles.SyncProvider) and found is not space["candles"]:
        found.close()


TABLE = re.findall(r"^\| `(\w+)\((.*?)\)` \| (.+?) \| ", OPERATORS, re.M)


@pytest.mark.parametrize(("name", "given", "elements"), TABLE)
def test_operators(name: str, given: str, elements: str) -> None:
    """The table's defaults are the operator's, and what it takes and gives is what its type says."""
    signature = inspect.signature(getattr(operators, name))
    for keyword, value in re.findall(r"(\w+)=([^,…]+)", given):
        assert signature.parameters[keyword].default == ast.literal_eval(value), keyword
    assert elements.replace("`", "").replace("\\|", "|") == told_elements(signature.return_annotation)


def told_elements(annotation: str) -> str:
    """What a type says of elements, in the words of the table: ``Chunk → Candles``; ``–`` for what is no pipeline."""
    text = re.sub(r"\b_([A-Z])\b", r"\1", annotation).replace("Sequence[CandleData]", "Candles")
    first, *others = [_elements(each) for each in _alternatives(ast.parse(text, mode="eval").body)]
    return " or ".join([first, *(each.partition(" → ")[2] for each in others)]).replace("Slot", "CandleData | NoCandle")


def _alternatives(node: ast.expr) -> list[ast.expr]:
    return [*_alternatives(node.left), node.right] if isinstance(node, ast.BinOp) else [node]


def _elements(node: ast.expr) -> str:
    match node:
        case ast.Subscript(ast.Name("Operator"), ast.Tuple([takes, gives])):
            return f"{ast.unparse(takes)} → {ast.unparse(gives)}"
        case ast.Subscript(ast.Name("Callable"), ast.Tuple([ast.List([ast.Subscript(slice=takes)]), gives])):
            return f"{ast.unparse(takes)} → {ast.unparse(_inner(gives))}"
        case ast.Subscript(ast.Name("Observable"), gives):
            return f"→ {ast.unparse(gives)}"
        case ast.Name("Chunk"):
            return "→ Chunk"
        case ast.Name(only):
            return f"{only} → {only}"
    return "–"


def _inner(node: ast.expr) -> ast.expr:
    return node.slice if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Observable" else node
