"""What messages advise is there: commands are read by the command line, options, arguments, names and extras exist."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from reactivex import operators as rx

import rxcandles
from rxcandles import operators
from rxcandles.__main__ import main
from tests.support.docspans import told
from tests.support.words import ROOT, names, options, parse, words_of

STANDS_FOR = {
    "symbol": "KRW-BTC", "frame": "1m", "title": "KRW-BTC 1m", "named": "KRW-BTC 1m", "' '.join(words)": "KRW-BTC 1m",
    "since": "2024-01-01", "start": "2024-01-01", "until": "2024-01-02", "stop": "2024-01-02", "back": "--last 30d",
    "command": "collect", "there": "", "repair": "repair --against-exchange 50", "shlex.quote(to)": "btc.parquet",
    "db_option(report.path)": " --db a.db", "db_option(db)": " --db a.db", "db": "a.db", "asked": "", "only": "",
    "quoted": "lake",
    "where": " --db a.db --exchange simulated", "where_options(db, other)": " --db a.db --exchange simulated",
    "where_options(db, exchange)": "", "where_options(db, done.series.exchange)": "", "simulator.base_url": "http://127.0.0.1:8080",
}  # fmt: skip
"""What is put into commands where the program runs."""


COMMAND = r"`(rxcandles [a-z{].+?)`|(rxcandles (?:repair|collect)(?: [-K]|\{).+?)(?: says |; |$)"


def messages() -> Iterator[tuple[str, str]]:
    """Where each text for people stands in the source, and the text: what is put into it is in braces."""
    for path in sorted((ROOT / "rxcandles").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        silent: set[ast.AST] = set()
        for node in ast.walk(tree):
            match node:
                case ast.Expr(ast.Constant()):
                    silent.add(node.value)  # a docstring
                case ast.keyword("help", ast.Constant(str(text))) if "\n" in text:
                    silent.add(node.value)  # that of a command, which is tested by itself
                case ast.JoinedStr():
                    silent |= set(node.values)
        for node in ast.walk(tree):
            if node in silent:
                continue
            match node:
                case ast.JoinedStr():
                    text = "".join(
                        str(part.value) if isinstance(part, ast.Constant) else f"{{{ast.unparse(part.value)}}}"  # type: ignore[attr-defined]
                        for part in node.values
                    )
                case ast.Constant(str(text)):
                    pass
                case _:
                    continue
            if " " in text.strip():
                yield f"{path.relative_to(ROOT)}:{node.lineno}", text


MESSAGES = dict(messages())


def test_commands() -> None:
    """Each command in a message is one, with all that is put into it; so is each in the help of a command."""
    faults = {}
    found = 0
    for place, text in MESSAGES.items():
        for command in re.findall(
            r"`(rxcandles [a-z{].+?)`|(rxcandles (?:repair|collect)(?: [-K]|\{).+?)(?: says |; |$)", text
        ):
            words = re.sub(r"\{([^{}]+)\}", lambda put: STANDS_FOR[put[1]], next(filter(None, command)))
            found += 1
            try:
                parse(words_of(words))
            except click.ClickException as error:
                faults[f"{place} {words}"] = error.format_message()
    assert told(faults) == ""
    assert found > 12


def test_options() -> None:
    """Each option in a message is one of some command."""
    known = options()
    faults = {
        place: lacking
        for place, text in MESSAGES.items()
        if (lacking := set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - known)
    }
    assert told(faults) == ""


def test_names() -> None:
    """What a message calls by the library's name, or by that of its operators or Rx's, is there; so are arguments."""
    faults = {}
    for place, text in MESSAGES.items():
        text = re.sub(r"\{.*?\}", "", text)
        homes = {"rxcandles": rxcandles, "ops": operators, "rx": rx}
        lacking = {
            f"{home}.{name}"
            for home, name in re.findall(r"\b(rxcandles|ops|rx)\.([a-zA-Z_]\w*)", text)
            if not hasattr(homes[home], name)
        }
        lacking |= {name for name in re.findall(r"\b(\w+) \(--[a-z-]+\)", text) if name not in {*names(), "for"}}
        lacking |= {name for name in re.findall(r"\b([a-z_]+)=['…]", text) if name not in names()}
        if lacking:
            faults[place] = lacking
    assert told(faults) == ""


def test_python() -> None:
    """Python between backticks in a message is Python."""
    found = 0
    for place, text in MESSAGES.items():
        for code in re.findall(r"`((?:async |await |with |\w+ = ).*?)`", text):
            whole = code.replace("…", "...") + (" pass" if code.endswith(":") else "")
            if not re.fullmatch(r"async \w+", code):
                ast.parse(f"async def main():\n    {whole}", place)
                found += 1
    assert found > 5


def test_extras() -> None:
    """Each extra that a missing package is said to come with is declared."""
    read = configparser.RawConfigParser()
    read.read(ROOT / "setup.cfg", encoding="utf-8")
    said = {name for text in MESSAGES.values() for name in re.findall(r"rxcandles\[([a-z]+)\]", text)}
    for path in (ROOT / "rxcandles").rglob("*.py"):
        said |= set(re.findall(r"\bneed\(\s*\"[\w.]+\",\s*\"(\w+)\"", path.read_text(encoding="utf-8")))
    assert len(said) > 3
    assert said - set(read["options.extras_require"]) == set()


LACKING = [
    "collect", "collect KRW-BTC", "collect KRW-BTC 1m", "collect 1m --until 2024-01-01", "plan", "get", "get 60m",
    "get KRW-BTC 1m", "stream", "chart", "export", "export KRW-BTC 60m", "export -o here.csv",
]  # fmt: skip


def test_advice_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where something is missing, the command that the message proposes does what was asked for."""
    monkeypatch.chdir(tmp_path)
    simulated = ["--exchange", "simulated", "--rate-limit", "none"]
    assert main(["collect", "KRW-BTC", "60m", "1m", "--count", "30", *simulated, "--quiet"]) == 0
    for line in LACKING:
        capsys.readouterr()
        assert main(line.split()) == 2
        said = capsys.readouterr().err
        advised = re.findall(r"`(rxcandles .+?)`", said)
        assert advised, said
        words = words_of(advised[-1].replace("30d", "1d"))
        assert main([*words, *(simulated if words[0] in ("collect", "plan", "get", "stream") else [])]) == 0, said
