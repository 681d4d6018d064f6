"""What becomes of a command whose outputs are closed, full, left by their reader, or of another encoding."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rxcandles.__main__ import main
from tests.support.ownprocess import SIMULATED, command, prepared

SPAN = ("--since", "2024-01-01", "--to", "2024-01-03")
COLLECT = ("collect", "KRW-ETH", "1m", *SPAN, *SIMULATED)
EVERY = {
    "help": ("--help",),
    "collect": COLLECT,
    "several": ("collect", "KRW-ETH", "KRW-XRP", "1m", *SPAN, *SIMULATED),
    "json": (*COLLECT, "--json"),
    "get": ("get", "KRW-ETH", "1m", *SPAN, *SIMULATED),
    "plan": ("plan", "KRW-ETH", "1m", *SPAN, *SIMULATED),
    "coverage": ("coverage",),
    "markets": ("markets", *SIMULATED),
    "verify": ("verify",),
    "export": ("export", "KRW-ETH", "1m", "-o", "out.csv"),
}
FEW = {name: EVERY[name] for name in ("several", "get", "coverage")}

CLOSED = "os.close(1); os.close(2); sys.stdout = sys.stderr = None"
"""What Python itself makes of a command that is started with its outputs closed (``>&- 2>&-``)."""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("stored")
    prepared(folder)
    return folder


@pytest.fixture
def folder(stored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored, tmp_path / "here"))


@pytest.mark.parametrize("words", EVERY.values(), ids=EVERY)
def test_a_reader_that_has_enough(words: tuple[str, ...], folder: Path) -> None:
    """As before ``| head``: no word about it, and the exit code of the work, which is done to its end."""
    with command(*words, cwd=folder) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
    assert process.returncode == 0
    assert "rror" not in err


@pytest.mark.parametrize("words", FEW.values(), ids=FEW)
def test_a_full_disk(words: tuple[str, ...], folder: Path) -> None:
    """Where stdout can't be written to, one line says so, and it is no success; the work is done to its end."""
    with open("/dev/full", "w") as full, command(*words, cwd=folder, stdout=full) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert (
        err.splitlines()[-1]
        == "rxcandles: stdout can't be written to: No space left on device; not everything was printed"
    )
    assert "Traceback" not in err


@pytest.mark.parametrize("outputs", ["closed", "full", "left"])
def test_a_collection_goes_on(
    outputs: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing that happens to stdout or stderr ends a collection, or gets into its database."""
    more: dict[str, Any] = {"before": CLOSED} if outputs == "closed" else {}
    words = (*COLLECT, "-vv")
    if outputs == "full":
        with open("/dev/full", "w") as full:
            process = command(*words, cwd=folder, stdout=full, stderr=full)
    else:
        process = command(*words, cwd=folder, stderr=subprocess.STDOUT, **more)
        assert process.stdout is not None
        process.stdout.close()
    assert process.wait(timeout=60) == (1 if outputs == "full" else 0)
    monkeypatch.chdir(folder)
    assert main(["verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["candles"] == 2880


@pytest.mark.parametrize("words", FEW.values(), ids=FEW)
def test_other_encodings(words: tuple[str, ...], folder: Path) -> None:
    """What an encoding can't say is written out, or left to one that can; it never ends a command."""
    with command(*words, cwd=folder, env={"PYTHONIOENCODING": "cp1252"}) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out
    assert "Traceback" not in err


def test_optimised_and_without_docstrings(folder: Path) -> None:
    """Without assertions and docstrings (``python -OO``) it works."""
    with command(*COLLECT, cwd=folder, env={"PYTHONOPTIMIZE": "2"}) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "2,880 candles stored" in out


@pytest.mark.parametrize("name", ["get", "import"])
def test_without_a_temporary_folder(name: str, folder: Path) -> None:
    """Where there is no folder for temporary files, what needs one says so, and the rest works."""
    words = {
        "get": ("get", "KRW-ETH", "1m", *SPAN, *SIMULATED),
        "import": ("import", "in.csv", "--symbol", "KRW-ETH", "--timeframe", "1m", "--db", "new.db"),
    }
    before = "import tempfile\ntempfile._candidate_tempdir_list = lambda: ['/nowhere']"
    with command(*words[name], before=before, cwd=folder) as process:
        _, err = process.communicate(timeout=60)
    assert err.count("\n") == (name == "import")
    assert (process.returncode, "set TMPDIR" in err) == ((0, False) if name == "get" else (1, True))
