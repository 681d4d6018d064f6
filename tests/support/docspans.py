"""What the documents say between backticks, sorted by its look: commands, options, names, files, values, Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import cast

from rxcandles import operators
from rxcandles.cli import cli
from tests.support.documents import DOCUMENTS, prose
from tests.support.words import PROGRAMS, is_file, is_value

TEXT = "\n".join(prose(text) for text in DOCUMENTS.values())
SPANS = list(dict.fromkeys(each.replace("\\|", "|") for each in re.findall(r"`([^`]+)`", TEXT)))

THEIRS = {
    'pyupbit.get_ohlcv("KRW-BTC", "minute1", count=1000)', "None", "minute1", "minute60", "day", "week", "month",
    'pyupbit.get_ohlcv_from("KRW-BTC", "minute1", fromDatetime=…)', 'exchange.fetch_ohlcv("BTC/KRW", "1m", since, 200)',
    "exchange.rateLimit", "enableRateLimit", "freqtrade download-data -p BTC/KRW -t 1m 1h --timerange 20240101-",
    "freqtrade list-data --show-timerange", "--prepend", "user_data/data/upbit/BTC_KRW-1h.feather", "…-1Mo…",
    "BTC_KRW-1h.feather", "reset_index()", "1.250,5", "1,250.5", "2018/01/25", "mirror",
    "endTime", "npm pack lightweight-charts@VERSION",
    "dist/lightweight-charts.standalone.production.js", "pip install ccxt pyupbit", "pip install pytest pytest-asyncio",
    "pre-commit install", "mypy --strict", "asyncio_mode = auto", "tmp_path", ".venv", "LICENSE", "NOTICE",
    ". .venv/bin/activate", "nohup", "| head", "fork", "HEAD", "429", "418", "Z", "[]", "\\u2588", "~/.cache",
    "/health", "/metrics", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "XDG_RUNTIME_DIR", "SSL_CERT_FILE",
    "await", "async", "async for", "==", "in", "dask worker tcp://10.0.0.1:8786 --nthreads 1 --resources upbit=1",
    "tls://", "~/.pgpass",
}  # fmt: skip
"""What is said of other programs, of Python, of the system, and values that anybody may choose."""


def kind(span: str) -> str:
    """What a span is, by its look alone."""
    first = span.split()[0]
    if span in THEIRS:
        return "theirs"
    if is_file(span) or re.fullmatch(
        r"[\w./{}-]+(/|\.(py|db|json|html|csv|parquet|toml|gz|zip|svg|cache))|\.(gz|zip)", span
    ):
        return "file"
    if re.fullmatch(r"\[\w+\]", span) or re.match(r"(\S*/)?pip install ", span):
        return "extra"
    if re.match(r"(\S*/)?(python|bash) ", span) or (first in PROGRAMS and first not in cli.commands):
        return "program"
    if "→" in span:
        return "name"
    if re.match(r"from \w", span):
        return "python"
    if re.search(r"(^|[ /])rxcandles [a-z]", span) or (first in cli.commands and " " in span):
        return "command"
    if re.fullmatch(r"-[a-z]|--[a-z][a-z-]*( .+)?", span):
        return "option"
    if re.fullmatch(r"\w+@\S+", span) or is_value(span) or all(is_value(each) for each in span.split()):
        return "value"
    if found := re.fullmatch(r"(\w+)(=\w*|=\"[^\"]*\"|=\[\]|\(\))", span):
        return "name" if found[2] != "()" or found[1] not in operators.__all__ else "python"
    if re.fullmatch(r"\w+([ ,]+\w+)*( \w+\(.*\))?|\"\w+\"(: \w+)?|[\w-]+(/\w+)*", span):
        return "name"
    return "python"


def of(wanted: str) -> list[str]:
    found = [span for span in SPANS if kind(span) == wanted]
    assert found
    return found


def told(faults: Mapping[str, object]) -> str:
    return "\n".join(f"{span}: {fault}" for span, fault in faults.items())


SERIES: dict[str, str] = {
    "connect": "'other.db'",
    "run": "rxcandles.overview(candles.provider.repository)",
    "get_candles": "'KRW-BTC', '1m'",
    "collect_candles_only": "'KRW-BTC', '1m', count=3",
    "request": "'KRW-BTC', '1m', count=3",
    "follow": "'KRW-BTC', '1m'",
    "FollowConfig": "",
    "repair": "store.path",
    "UpbitExchange": "",
    "Page": "rows, covered=(0, 60)",
    "page_anew": "symbol, timeframe, to, count",
}
"""What an ellipsis in front stands for in a call."""

VALUES: dict[str, str] = {
    "exchange": "exchange", "limiter": "limiter", "base_url": "'http://127.0.0.1:9'", "name": "'mirror'", "to": "stop",
    "end": "start", "rate_limit": "5", "retry": "operators.Retry()", "findings": "None", "used": "1", "remaining": "1",
    "max_concurrent": "2", "buffer_size": "2", "source_address": "'127.0.0.1'",
}  # fmt: skip
"""What an ellipsis behind ``name=`` stands for."""


def filled(span: str) -> ast.Module:
    """The program that a span of Python is: ellipses filled in, and the simulated exchange where none is named."""
    text = span.replace("…", "...") + (" pass" if span.endswith(":") else "")
    return cast(ast.Module, ast.fix_missing_locations(Filled().visit(ast.parse(text))))


class Filled(ast.NodeTransformer):
    """What fills a call in."""

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id  # type: ignore[attr-defined]
        if node.args and is_ellipsis(node.args[0]):
            call = ast.parse(f"f({SERIES[called]})", mode="eval").body
            assert isinstance(call, ast.Call)
            node.args[:1] = call.args
            node.keywords += [each for each in call.keywords if each.arg not in {given.arg for given in node.keywords}]
        for keyword in node.keywords:
            if is_ellipsis(keyword.value):
                keyword.value = ast.parse(VALUES[str(keyword.arg)], mode="eval").body
        given = {keyword.arg for keyword in node.keywords}
        if called in ("get_ohlcv", "open", "connect") and "exchange" not in given:
            node.keywords.append(ast.keyword("exchange", ast.Constant("simulated")))
            if not given & {"rate_limit", "limiter"}:
                node.keywords.append(ast.keyword("rate_limit", ast.Constant(None)))
        if called in ("open", "connect") and {"exchange", "base_url"} <= given:
            node.keywords = [each for each in node.keywords if each.arg != "exchange"]
        return node


def is_ellipsis(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...
