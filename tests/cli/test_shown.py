"""What the command line shows beside its results: the live picture, lines, the log, help, completion."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import logging
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import click
import pytest
from rich.console import Console

from rxcandles import CollectionProgress, LimiterStats
from rxcandles.__main__ import main
from rxcandles.cli import cli
from rxcandles.cli.board import Board
from rxcandles.cli.display import Output, board_shown
from rxcandles.cli.picture import Picture
from rxcandles.model.timeframe import to_datetime

COLOUR = re.compile(rb"\x1b\[[0-9;]*3[0-9]")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def simulated(*words: str) -> int:
    return main([*words, "--exchange", "simulated", "--rate-limit", "none"])


def on_terminal(*words: str, columns: int = 120) -> tuple[str, bytes]:
    """Return what a command writes to stdout, a pipe, and what it shows on stderr, a terminal; it exits with 0."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-m", "rxcandles", *words, "--exchange", "simulated"],
        stdout=subprocess.PIPE, stderr=theirs, text=True, env={**env, "TERM": "xterm-256color"},
    ) as process:  # fmt: skip
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # what a terminal says when its last writer is gone
            while part := os.read(ours, 65536):
                shown += part
        out, _ = process.communicate(timeout=30)
    os.close(ours)
    assert process.returncode == 0
    return out, shown


def test_live_picture_of_one() -> None:
    """On a terminal the progress is a live picture with the share done, the rate and the limit; stdout stays clean."""
    out, shown = on_terminal("collect", "KRW-ETH", "1m", "--count", "4000", "--json", "--rate-limit", "10")
    assert json.loads(out)["collected_count"] == 4000
    assert b"4,000 of 4,000 candles" in shown
    assert b"100%" in shown
    assert b"of 10 requests a second" in shown
    assert COLOUR.search(shown)


def test_live_picture_of_several() -> None:
    """Several series have a line each; without colours, if so asked, and the log comes above the picture."""
    words = ["collect", "KRW-*", "1m", "--count", "400", "--rate-limit", "100", "--no-color", "-v"]
    out, shown = on_terminal(*words, columns=80)
    assert "7 of 7 series are complete" in out
    for text in (b"KRW-DOGE 1m", b"candles/s", b"2,800 of 2,800 candles", b"KRW-DOGE 1m: candles: 400, requests: "):
        assert text in shown
    assert not COLOUR.search(shown)


def progress(held: int, total: int, *, before: int = 0, gaps: int = 0) -> CollectionProgress:
    moment = to_datetime(1_700_000_000)
    return CollectionProgress(1, 2, held, 83.4, (moment, moment), total, 60.0, 12, 3, 0, before, gaps)


def drawn(board: Board, width: int, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(Picture(board))
    return re.sub(r"\x1b\[[0-9;]*m", "", capture.get()).splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_picture(width: int) -> None:
    """Each series shows its share, rate, time left, gaps, and requests saved, in any width."""
    board = Board({"KRW-BTC 240m": 200_000, "KRW-ETH 1m": 5, "KRW-XRP 1m": 1000})
    board.tell("KRW-BTC 240m", progress(123_456, 200_000, before=40_000, gaps=7))
    board.tell("KRW-ETH 1m", progress(5, 5))
    board.limit = LimiterStats(10.0, 24, 3, 0, 0, 0, 0.0, 8, 10, 1, 1.0, 0.01)
    lines = drawn(board, width)
    assert max(map(len, lines)) <= width
    btc, eth, xrp = lines[1:4]
    assert re.search(r"KRW-BTC 240m .* 61% .*1,391 +0:01:23 +7 +200$", btc.rstrip())
    assert ("123,456 of 200,000" in btc) == (width >= 100)
    assert re.search(r"100% .* done +0 +0$", eth.rstrip())
    assert xrp.rstrip().endswith("waits")
    text = "\n".join(lines)
    assert "123,461 of 201,005 candles" in text
    assert "24 requests, 6 retries" in text
    assert "8 of 10 requests a second, 3 waiting" in text
    assert max(len(bar) for bar in re.findall("[━╸╺]+", text)) <= 40


@pytest.mark.parametrize("width", [20, 36, 50])
def test_narrow_picture(width: int) -> None:
    """Where there is little room the labels stay whole, and what there is no room for is left out whole."""
    board = Board({"KRW-BTC 240m": 200_000, "KRW-ETH 1m": 5, "KRW-XRP 1m": 1000})
    board.tell("KRW-BTC 240m", progress(123_456, 200_000, before=40_000, gaps=7))
    board.limit = LimiterStats(10.0, 24, 3, 0, 0, 0, 0.0, 8, 10, 1, 1.0, 0.01)
    lines = drawn(board, width)
    assert max(map(len, lines)) <= width
    if width > 20:
        assert [line[:12].strip() for line in lines[1:4]] == ["KRW-BTC 240m", "KRW-ETH 1m", "KRW-XRP 1m"]
        assert re.search(r" 61% .*0:01:23$", lines[1].rstrip())
        assert "123,456 of 201,005 candles" in "\n".join(lines)
        assert "…" not in "\n".join(lines)


def test_picture_at_the_end() -> None:
    """Once all is held the limit is of no interest any more."""
    board = Board({"KRW-ETH 1m": 5})
    board.limit = LimiterStats(10.0, 24, 3, 0, 0, 0, 0.0, 10, 10, 2, 1.0, 0.01)
    board.tell("KRW-ETH 1m", progress(4, 5))
    assert "10 of 10 requests a second" in "\n".join(drawn(board, 80))
    board.tell("KRW-ETH 1m", progress(5, 5))
    assert "requests a second" not in "\n".join(drawn(board, 80))


def test_picture_of_many() -> None:
    """More series than the terminal has lines are shown as far as they run; the rest is counted."""
    board = Board({f"KRW-{number} 1m": 100 for number in range(200)})
    for number in range(150):
        board.tell(f"KRW-{number} 1m", progress(100 if number < 140 else 50, 100))
    lines = drawn(board, 80)
    assert len(lines) < 24
    assert [line.split()[0] for line in lines[1:11]] == [f"KRW-{number}" for number in range(140, 150)]
    assert "and 183 more: 140 done, 0 running, 43 to come" in "\n".join(lines)


def test_picture_of_a_pause() -> None:
    """While the exchange asks to wait, the picture says how long."""
    board = Board({"KRW-BTC 1m": 100})
    board.limit = LimiterStats(None, 24, 3, 0, 0, 1, 3600.0)
    assert "the exchange asked to wait: 1:00:00 more" in "\n".join(drawn(board, 80))


def test_lines_without_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Elsewhere progress is a line now and then, on stderr; without colours, whatever the environment says."""
    monkeypatch.setattr("rxcandles.cli.display.PLAIN_EVERY", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert simulated("collect", "KRW-ETH", "1m", "--count", "1000", "--json") == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert re.search(r"^KRW-ETH 1m: 1,000 of 1,000 candles \(100%\), .*/s, 0:00:00 left$", err.splitlines()[-1])
    assert simulated("collect", "KRW-ETH", "KRW-BTC", "1m", "--count", "1000") == 0
    out, err = capsys.readouterr()
    assert "2 series: 2,000 of 2,000 candles (100%), 2 done, " in err.splitlines()[-1]
    assert main(["coverage"]) == 0
    assert "\x1b" not in out + err + capsys.readouterr().out


def test_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With --quiet there is nothing on stderr but errors."""
    monkeypatch.setattr("rxcandles.cli.display.PLAIN_EVERY", 0.0)
    assert simulated("collect", "KRW-ETH", "1m", "--count", "1000", "--quiet") == 0
    assert capsys.readouterr().err == ""
    assert simulated("collect", "KRW-GONE", "1m", "--count", "1000", "-q") == 1
    assert capsys.readouterr().err.startswith("rxcandles: there is no market 'KRW-GONE' at simulated: never listed")


def test_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    """-v shows what happens, -vv each request; afterwards the log is as it was."""
    logger = logging.getLogger("rxcandles")
    before = (list(logger.handlers), logger.level)
    assert simulated("collect", "KRW-ETH", "1m", "--count", "400", "-v") == 0
    err = capsys.readouterr().err
    assert "INFO rxcandles.modes.collector: KRW-ETH 1m: candles: 400, requests: 2" in err
    assert "DEBUG" not in err
    assert simulated("collect", "KRW-BTC", "1m", "--count", "400", "-vv") == 0
    assert "DEBUG rxcandles.fetch: KRW-BTC 1m, chunk 1, " in capsys.readouterr().err
    assert (list(logger.handlers), logger.level) == before


def test_lines_while_nothing_arrives(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A line says how long the exchange asked to wait, too."""
    monkeypatch.setattr("rxcandles.cli.display.PLAIN_EVERY", 0.0)
    with board_shown({"KRW-BTC 1m": 100}, Output()) as board:
        board.look(LimiterStats(10.0, 24, 3, 0, 0, 1, 3600.0))
    assert capsys.readouterr().err == "KRW-BTC 1m: 0 of 100 candles (0%), 0/s, paused for 1:00:00 more\n"


def test_what_stays_of_a_run_that_is_stopped() -> None:
    """A line for each series stays on the terminal; what is said of all of them goes with the run."""
    board = Board({"KRW-BTC 1m": 100, "KRW-ETH 1m": 100})
    picture = Picture(board)
    console = Console(width=100, file=io.StringIO(), force_terminal=False)
    picture.stop()
    with console.capture() as captured:
        console.print(picture)
    lines = captured.get().splitlines()
    assert [line[:10] for line in lines[1:]] == ["KRW-BTC 1m", "KRW-ETH 1m"]


@pytest.mark.parametrize(("raised", "stays"), [(KeyboardInterrupt, True), (None, False)])
def test_the_picture_stays_where_it_is_stopped(
    raised: type[BaseException] | None, stays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays after Ctrl-C, and goes at the end of a run, which prints its results."""
    shown = io.StringIO()
    console = Console(width=100, file=shown, force_terminal=True, color_system=None)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(Output, "console", lambda self: console)
    with contextlib.suppress(KeyboardInterrupt), board_shown({"KRW-BTC 1m": 100}, Output()):
        if raised is not None:
            raise raised
    assert "KRW-BTC 1m" in shown.getvalue()
    assert ("KRW-BTC 1m" in shown.getvalue().rpartition("\x1b[2K")[2]) is stays


# Help and completion


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Help and the version are there, and exit 0."""
    for words in (["--help"], ["collect", "-h"], ["--version"]):
        assert main(words) == 0
        assert "rxcandles" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The help of every command has an example of it, and says something about each option."""
    assert main([name, "--help"]) == 0
    assert re.search(rf"^ +(eval \"\$\()?rxcandles {name}\b", capsys.readouterr().out, re.MULTILINE)
    options = [each for each in cli.commands[name].params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each shell has a script, which asks this command."""
    assert main(["completion", shell]) == 0
    assert f"_RXCANDLES_COMPLETE={shell}_complete" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("co", ["collect", "completion", "copy", "coverage"]),
        ("collect --db some.db KRW-", ["KRW-BTC", "KRW-ETH"]),
        ("collect KRW-", []),
        ("collect --db text.db KRW-", []),
        ("get KRW-BTC 1", ["1s", "1m", "10m", "15m", "1d", "1w", "1M", "1y"]),
        ("plan --db some.db KRW-BTC KRW-E", ["KRW-ETH"]),
        ("collect --exchange s", ["simulated"]),
        ("collect --db some.db --name s", ["simulated"]),
        ("export --db some.db --exchange s", ["simulated"]),
        ("collect --name s", []),
    ],
)
def test_completion(
    typed: str, offered: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands, options, stored symbols and timeframes are completed; where nothing is stored, nothing is."""
    assert simulated("collect", "KRW-BTC", "KRW-ETH", "1d", "--count", "5", "--db", "some.db") == 0
    Path("text.db").write_text("no database" * 1000)
    capsys.readouterr()
    words = f"rxcandles {typed}".split()
    monkeypatch.setenv("_RXCANDLES_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", " ".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 0
    assert [line.split(",")[1] for line in capsys.readouterr().out.splitlines() if line] == offered
