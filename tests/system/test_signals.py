"""Told to end at any moment, a command says one line, leaves nothing half-written, and exits as shells expect.

``python -m profiling signals`` strikes at random moments, for longer.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rxcandles.__main__ import main
from tests.support.ownprocess import CODES, SIMULATED, command, left_behind, prepared, striking

NEW = ("KRW-XRP", "1m", "--since", "2024-01-01", "--to", "2024-01-03", *SIMULATED)
DECODING = ("rxcandles.exchanges.upbit.client", "decode_candles")
WORK = {
    "collect": (("collect", *NEW), DECODING),
    "get": (("get", *NEW), DECODING),
    "stream": (("stream", *NEW), DECODING),
    "printing": (("get", *NEW), ("rxcandles.cli.candles", "format_candles")),
    "opening": (("collect", *NEW), ("rxcandles.stores.sqlite.connection", "OpenedFile")),
    "closing": (("collect", *NEW), ("rxcandles.stores.sqlite.connection", "Connection.close")),
    "export": (("export", "KRW-ETH", "1m", "-o", "out.csv"), ("rxcandles.interchange.writing.formats", "csv_lines")),
    "finishing": (("export", "KRW-ETH", "1m", "-o", "out.parquet"), ("os", "fsync")),
    "chart": (("chart", "KRW-ETH", "1m", "-o", "out.html"), ("pathlib", "Path.write_bytes")),
    "import": (
        ("import", "in.csv", "--symbol", "KRW-ETH", "--timeframe", "1m", "--db", "new.db"),
        ("rxcandles.stores.sql.staging", "Staging.add"),
    ),
    "verify": (("verify",), ("rxcandles.integrity.verify", "snapshot_at")),
    "simulate": (("simulate", "--port", "0"), ("rxcandles.simulator", "Simulator.__aenter__")),
}
"""What a command does, and the function at whose call it is struck."""

HANGS = """
import socket, threading
def hang(*_, **__):
    print("asked", flush=True)
    threading.Event().wait()
socket.getaddrinfo = hang
"""

STUBBORN = """
import asyncio
from rxcandles.util import stopping
from rxcandles.modes.provider import CandleDataProvider
stopping.GRACE = {grace}
async def stubborn(*_, **__):
    os.kill(os.getpid(), signal.SIGINT)
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            {then}
CandleDataProvider.collect_many = stubborn
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("stored")
    prepared(folder)
    return folder


@pytest.fixture
def folder(stored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored, tmp_path / "here"))


@pytest.mark.parametrize(
    ("module", "number"),
    [
        *zip(["rxcandles.cli", "click", "aiosqlite"], CODES, strict=True),
        ("rxcandles.cli.commands.simulate", signal.SIGINT),
    ],
)
def test_while_it_starts(module: str, number: signal.Signals, tmp_path: Path) -> None:
    """While modules are loaded, which takes a third of a second, a signal ends it with a line and its code."""
    with command("collect", *NEW, before=striking(number, module), cwd=tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("", "rxcandles: stopped\n", CODES[number])
    assert not (tmp_path / "candles.db").exists()


@pytest.mark.parametrize(("work", "number"), [(work, list(CODES)[turn % 3]) for turn, work in enumerate(WORK)])
def test_while_it_works(
    work: str, number: signal.Signals, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the midst of its work too; a file is whole or not there, and the database is true."""
    words, where = WORK[work]
    with command(*words, before=striking(number, where), cwd=folder) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == CODES[number], err
    assert err.startswith("rxcandles: ")
    assert "stopped" in err
    assert err.count("\n") == 1
    assert left_behind(folder) == []
    # What was being put on the disk is whole, and takes its place.
    assert [*folder.glob("out.*")] == ([folder / "out.parquet"] if work == "finishing" else [])
    monkeypatch.chdir(folder)
    assert main(["verify"]) == 0, capsys.readouterr().out


def test_what_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """Started by ``nohup`` it does not end with its terminal."""
    before = "signal.signal(signal.SIGHUP, signal.SIG_IGN)" + striking(signal.SIGHUP, DECODING)
    with command("collect", *NEW, before=before, cwd=tmp_path) as process:
        _, err = process.communicate(timeout=60)
    assert "stopped" not in err
    assert process.returncode == 0


def test_a_name_that_does_not_resolve(tmp_path: Path) -> None:
    """Ctrl-C does not wait for the system to resolve a name, which may take it minutes."""
    with command("collect", "KRW-BTC", "1m", "--count", "5", "--patience", "8w", before=HANGS, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asked\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("grace", "then"), [(3600, "os.kill(os.getpid(), signal.SIGTERM)"), (0.01, "pass")], ids=["second", "late"]
)
def test_work_that_does_not_end(grace: float, then: str, tmp_path: Path) -> None:
    """What does not end in order is left at a second signal, or when a second has passed: as the first signal says."""
    with command("collect", *NEW, before=STUBBORN.format(grace=grace, then=then), cwd=tmp_path) as process:
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (
        err
        == "rxcandles: KRW-XRP 1m stopped: what was fetched is in candles.db; run the same command again to continue\n"
    )
