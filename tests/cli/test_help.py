"""What ``--help`` says: each command in a sentence, what it reads and writes, whether it uses the network, examples."""

from __future__ import annotations

import io
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest

from rxcandles.__main__ import main
from rxcandles.cli import cli
from tests.support.docexamples import ADDRESS
from tests.support.words import parse, words_of

DAYS = [datetime.now(UTC) - timedelta(days=days) for days in (90, 3)]
OLD, NEW = (f"{day:%Y-%m-%d}" for day in DAYS)
COMMANDS = sorted(cli.commands)
ENDLESS = ("simulate", "worker")


def page_of(name: str) -> str:
    """The help of a command, in lines of 100 characters."""
    above = click.Context(cli, info_name="rxcandles", **cli.context_settings)
    command = cli.commands[name]
    return command.get_help(click.Context(command, above, name, max_content_width=100, terminal_width=100))


def examples_of(name: str) -> list[str]:
    """The lines of its help that are commands."""
    lines = page_of(name).partition("\nOptions:")[0].splitlines()
    return [line.strip() for line in lines if re.match(r'  (eval "\$\()?rxcandles [a-z]', line)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the database and the files that examples name, of few candles."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        simulated = ["--exchange", "simulated", "--rate-limit", "none", "--quiet"]
        assert main(["collect", "KRW-BTC,KRW-ETH", "1m,60m,1d", "--count", "50", *simulated]) == 0
        Path("user_data/data/upbit").mkdir(parents=True)
        export = ["export", "KRW-BTC", "1m", "--format", "freqtrade", "-o"]
        assert main([*export, "user_data/data/upbit", "--quiet"]) == 0
        [file] = Path("user_data/data/upbit").iterdir()
        Path(file.name).write_bytes(file.read_bytes())
        Path("mine.csv").write_text("Date,Open,High,Low,Last,Volume\n2024-01-01 09:00,1,3,1,2,5\n")
        page = page_of("run")
        jobs = page[page.index("[defaults]") :].partition("\n\n")[0]
        Path("jobs.toml").write_text(fewer(jobs).replace('"upbit"', '"simulated"\nrate_limit = "none"'))
    return folder


def fewer(text: str) -> str:
    """The same with fewer candles."""
    text = re.sub(r"\b20000?0\b", "300", re.sub(r"\b(30d|1y)\b", "1d", text)).replace("exchange 50", "exchange 2")
    return text.replace("2020-01-01", OLD).replace("2024-01-01/2024-02-01", f"{OLD}/{NEW}").replace("2024-01-01", NEW)


@pytest.mark.parametrize("name", [each for each in COMMANDS if each not in ENDLESS])
def test_examples_run(
    name: str,
    prepared: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """Each example exits with 0 when it is run after the others, and says nothing of an error."""
    monkeypatch.chdir(prepared)
    lines = [part for line in examples_of(name) for part in fewer(line).split("; ")]
    if any(ADDRESS in line for line in lines):
        server = request.getfixturevalue("postgres_url")
        lines = [line.replace(ADDRESS, server) for line in lines]
    assert 2 <= len(lines) <= 8
    for line in lines:
        command, _, file = line.partition(" | ")[0].partition(" > ")
        words = words_of(re.sub(r'^eval "\$\((.+)\)".*', r"\1", command))
        if {"--exchange", "--rate-limit"} <= {option for each in cli.commands[words[0]].params for option in each.opts}:
            words += ["--exchange", "simulated", "--rate-limit", "none"]
        assert main(words) == 0, line
        printed = capsys.readouterr()
        assert "rxcandles:" not in printed.err or name == "import", line  # which tells the zone that it has read
        if file and name != "completion":
            Path(file.split()[0]).write_text(printed.out)


@pytest.mark.parametrize("name", ENDLESS)
def test_examples_of_what_has_no_end(name: str) -> None:
    """The examples of a command that runs until Ctrl-C are read by the command line."""
    lines = examples_of(name)
    assert len(lines) >= 2
    for line in lines:
        parse(words_of(line))


@pytest.mark.parametrize("name", [each for each in COMMANDS if each != "completion"])
def test_what_it_touches(name: str) -> None:
    """Each help says what the command reads and writes, and whether it uses the network."""
    page = page_of(name)
    found = re.search(r"\n  Reads:    \S.*\n  Writes:   \S(?:.*\n)+?  Network:  \S", page)
    assert found is not None, page


@pytest.mark.parametrize("name", COMMANDS)
def test_first_sentence(name: str) -> None:
    """The first sentence is a short one, for the list of commands."""
    sentence = cli.commands[name].get_short_help_str(1000)
    assert sentence.endswith(".")
    assert len(sentence) <= 110


@pytest.mark.parametrize("name", COMMANDS)
def test_options(name: str) -> None:
    """The help of an option is a sentence or a phrase with a full stop, and names its value in capitals."""
    context = click.Context(cli.commands[name])
    for each in cli.commands[name].params:
        if not isinstance(each, click.Option) or each.hidden:
            continue
        text = (each.help or "").partition("  [default")[0]
        assert re.match(r"[A-Z].*[.]$", text), (each.name, text)
        if not each.is_flag and not each.count and not isinstance(each.type, click.Choice):
            assert each.metavar, each.name
            assert (each.make_metavar(context) or "") != "TEXT" or each.metavar == "TEXT", each.name


def test_lines_fit() -> None:
    """No line but an example is wider than the page."""
    for name in COMMANDS:
        lines = [line for line in page_of(name).splitlines() if "rxcandles " not in line]
        assert max(map(len, lines)) <= 100, name


def test_nothing_is_left_of_old_words() -> None:
    """The help has the words of the glossary, and no others for the same things."""
    stdout = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        assert main(["--help"]) == 0
    text = stdout.getvalue() + "".join(map(page_of, COMMANDS))
    assert re.findall(r"\b(?:ledgers?|holes?|stretch\w*|can't be meant|believed|obeyed|else)\b", text) == []
