"""What the documents say between backticks is there: names, files, options, commands; their lines for a shell run."""

from __future__ import annotations

import configparser
import re
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest

from rxcandles.__main__ import main
from rxcandles.cli import cli, objects
from tests.support.docexamples import ADDRESS
from tests.support.docspans import of, told
from tests.support.documents import blocks
from tests.support.words import PROGRAMS, ROOT, is_file, literals, names, option_fault, parse, words_of

SHELL: dict[str, list[str]] = {}
for block in blocks("sh"):
    SHELL.setdefault(block.document, []).extend(block.code.splitlines())


ELEMENTS = {"A", "B", "C", "or", "Sequence"}
"""What may stand between the names of what an operator takes and gives."""


def test_names() -> None:
    """Words are names of ours, of Rx, or of what is said and stored: fields, events, kinds, headers."""
    unknown = {}
    for span in of("name"):
        if schema := re.fullmatch(r"rxcandles/(\w+)/(\d)", span):
            assert schema[1] in cli.commands
            assert int(schema[2]) == objects.VERSION
            continue
        words = {word for word in re.split(r"[ ,→|[\]]+", re.sub(r"[=(:].*|\"", "", span)) if word} - ELEMENTS
        if lacking := words - names() - literals():
            unknown[span] = lacking
    assert told(unknown) == ""


def test_files() -> None:
    """Files of the project are there; others are those that a command writes."""
    written = {"candles.db", "candles.db.cache", "candles.db.found.json", ".gz", ".zip"}
    assert [span for span in of("file") if not is_file(span) and span not in written] == []


def test_extras() -> None:
    """Extras are declared."""
    named = {name for span in of("extra") for each in re.findall(r"\[([\w,]+)\]", span) for name in each.split(",")}
    read = configparser.RawConfigParser()
    read.read(ROOT / "setup.cfg", encoding="utf-8")
    assert named
    assert named - set(read["options.extras_require"]) == set()


def test_programs() -> None:
    """Programs of the project are there, and so is a test that is named."""
    for span in of("program"):
        words = span.split()
        if words[0] == "bash" or words[-1].endswith(".py"):
            assert is_file(words[1]), span
        elif "pytest" in words:
            path = ROOT / next(word for word in words if word.startswith("tests/"))
            assert words[-1] in path.read_text(encoding="utf-8"), span
        else:
            named = words[3:4] if words[0].endswith("python") else words[:1]
            assert set(named) <= set(PROGRAMS), span
            for option in (word for word in words if word.startswith("--")):
                assert f'"{option}"' in PROGRAMS[named[0]].read_text(encoding="utf-8"), span


def test_options() -> None:
    """Options are those of some command, which takes the value that is shown."""
    assert told({span: fault for span in of("option") if (fault := option_fault(span))}) == ""


def test_commands() -> None:
    """Commands are read by the command line; a list of them has all."""
    faults = {}
    for span in of("command"):
        if " | " in span:
            assert set(span.split()) - {"|", "rxcandles"} == set(cli.commands), span
            continue
        try:
            parse(words_of(span if "rxcandles" in span else f"rxcandles {span}"))
        except click.ClickException as error:
            if isinstance(error, click.BadOptionUsage) and span.endswith(f" {error.option_name}"):
                continue  # no more than its name
            faults[span] = error.format_message()
    assert told(faults) == ""


@pytest.mark.parametrize("line", [line for block in blocks("console") for line in block.code.splitlines()])
def test_lines_for_several_machines(line: str) -> None:
    """Lines that need other machines are read by the command line, and not run."""
    if line.startswith("rxcandles "):
        parse(words_of(line))
    else:
        assert line.split()[0] == "dask", line


ELSEWHERE = {"import", "eval", "duckdb", "sqlite3", "python3", "SELECT"}


@pytest.mark.parametrize("document", SHELL)
def test_shell(
    document: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """The lines of a document for a shell run one after the other in one folder, with fewer candles."""
    needs_server = any(ADDRESS in line for line in SHELL[document])
    server = request.getfixturevalue("postgres_url") if needs_server else ADDRESS
    monkeypatch.chdir(tmp_path)
    page = cli.commands["run"].get_help(
        click.Context(cli.commands["run"], click.Context(cli, **cli.context_settings), "rxcandles run")
    )
    jobs = page[page.index("[defaults]") : page.index("rxcandles run jobs.toml")]
    jobs = fewer(textwrap.dedent("  " + jobs)).replace('"upbit"', '"simulated"\nrate_limit = "none"')
    Path("jobs.toml").write_text(jobs)
    for line in SHELL[document]:
        if not line.startswith("rxcandles "):
            assert line.split()[0] in ELSEWHERE, line
            continue
        words = words_of(fewer(line).replace(ADDRESS, server))
        parse(words)
        if words[0] in ELSEWHERE:
            continue
        if "--rate-limit" in {option for each in cli.commands[words[0]].params for option in each.opts}:
            words += ["--exchange", "simulated", "--rate-limit", "none"]
        if words[0] == "follow":  # what would go on for ever catches up instead
            words += ["--quiet", *([] if "--once" in words else ["--once"])]
        assert (main(words), line, capsys.readouterr().err) == (0, line, "")


def fewer(text: str) -> str:
    """The same with fewer candles."""
    text = re.sub(r"\b200000\b", "2000", text.replace("30d", "1d").replace("exchange 50", "exchange 5"))
    return text.replace("2020-01-01", f"{datetime.now(UTC) - timedelta(days=60):%Y-%m-%d}")
