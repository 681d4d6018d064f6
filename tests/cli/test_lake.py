"""``rxcandles lake``, as people and scripts use it."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import click
import pytest

from rxcandles.__main__ import main
from rxcandles.cli.commands.lake import lake
from rxcandles.stores import SqliteStore
from tests.support.fakes import row
from tests.support.lakes import FEBRUARY, HOUR, JANUARY, MARCH, lake_rows

KEY = "made-up-secret"


def fill(symbol: str = "KRW-BTC", exchange: str = "upbit", **changed: Any) -> None:
    """Two months with an hour each."""

    async def write() -> None:
        async with SqliteStore("candles.db", exchange=exchange) as store:
            for start in (JANUARY, FEBRUARY):
                await store.write(symbol, HOUR, [row(start)._replace(**changed)], (start, start + 3600))

    asyncio.run(write())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    fill()
    return tmp_path


def test_sync_and_verify(capsys: pytest.CaptureFixture[str]) -> None:
    """A line a series says what the lake has, and what was done; verify says that it is equal."""
    assert main(["lake", "sync", "lake"]) == 0
    begins = "KRW-BTC 60m: 2 candles in 2 files (0.0 MB), 2024-01-01 00:00:00 to 2024-02-01 01:00:00 UTC: "
    assert capsys.readouterr() == (f"{begins}2 written\n", "")
    assert main(["lake", "sync", "lake"]) == 0
    assert capsys.readouterr().out == f"{begins}nothing has changed\n"
    assert main(["lake", "verify", "lake"]) == 0
    assert capsys.readouterr().out == "lake: 1 series, 2 files, 2 candles; it is equal to the database\n"
    for words in (["sync"], ["verify"]):
        assert main(["lake", *words, "lake", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_findings(capsys: pytest.CaptureFixture[str]) -> None:
    """What differs is a line each, and the exit code is 1."""
    assert main(["lake", "sync", "lake", "--quiet"]) == 0
    fill(volume=3.0)
    assert main(["lake", "verify", "lake", "--quiet"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "lake: 1 series, 2 files, 2 candles; 2 findings:"
    assert lines[1].startswith("  KRW-BTC 60m (upbit): 2024-01.parquet: candles of the store have changed since: ")
    assert main(["lake", "verify", "lake", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["clean"], found["candles"], [each["kind"] for each in found["findings"]]) == (
        False, 2, ["not_synced", "not_synced"],
    )  # fmt: skip


def test_exchanges(capsys: pytest.CaptureFixture[str]) -> None:
    """Series of the same name from several exchanges have folders of their own; one exchange can be chosen."""
    fill(exchange="other", volume=2.0)
    fill("KRW-ETH")
    assert main(["lake", "sync", "lake", "KRW-BTC", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["exchange"], each["symbol"], each["files"]) for each in found] == [
        ("other", "KRW-BTC", 2),
        ("upbit", "KRW-BTC", 2),
    ]
    assert main(["lake", "verify", "lake", "--exchange", "other"]) == 0
    assert main(["lake", "verify", "lake"]) == 1
    assert "KRW-ETH 60m (upbit): _manifest.json: it is not there" in capsys.readouterr().out
    assert len(lake_rows(Path("lake"))) == 4


def test_one_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """A series that comes from another database is told on stderr; the others are synced."""
    assert main(["lake", "sync", "lake", "--quiet"]) == 0
    Path("candles.db").rename("older.db")
    fill(volume=2.0)
    fill("KRW-ETH")
    assert main(["lake", "sync", "lake"]) == 1
    out, err = capsys.readouterr()
    assert (out[:7], err.count("\n")) == ("KRW-ETH", 1)
    assert "the lake lake has KRW-BTC 60m from another database" in err
    assert main(["lake", "sync", "lake", "--replace", "--quiet"]) == 0
    assert main(["lake", "verify", "lake"]) == 0


def test_seal_and_unseal(capsys: pytest.CaptureFixture[str]) -> None:
    """Old months leave the database and come back; what stays is told with the reason; coverage shows it."""

    async def write() -> None:
        async with SqliteStore("candles.db") as store:
            await store.write("KRW-BTC", HOUR, [row(FEBRUARY), row(JANUARY)], (JANUARY, MARCH))
            await store.write("KRW-ETH", HOUR, [row(JANUARY)], (JANUARY, JANUARY + 3600))

    asyncio.run(write())
    assert main(["lake", "sync", "lake", "--quiet"]) == 0
    words = ["lake", "seal", "lake", "--older-than", "3M"]
    assert main([*words, "--dry-run"]) == 1
    out, err = capsys.readouterr()
    months = "2024-01-01 00:00:00 to 2024-03-01 00:00:00 UTC"
    assert out.splitlines() == [
        f"KRW-BTC 60m: 2 candles of 2 months would leave the database, {months}",
        "KRW-ETH 60m: nothing to seal",
    ]
    assert err == "rxcandles: KRW-ETH 60m: 1 month not sealed: 2024-01 (it has gaps)\n"
    assert main([*words, "KRW-BTC"]) == 0
    assert capsys.readouterr().out == f"KRW-BTC 60m: 2 candles of 2 months have left the database, {months}\n"
    assert main(["coverage", "KRW-BTC", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["candles"], found["sealed"], found["missing_slots"]) == (2, 2, 0)
    assert main(["coverage", "KRW-BTC"]) == 0
    assert "sealed" in capsys.readouterr().out.splitlines()[0]
    assert main(["verify"]) == 0
    capsys.readouterr()
    for command in (["export", "KRW-BTC", "60m", "-o", "a.csv"], ["chart", "KRW-BTC", "60m", "-o", "a.html"]):
        assert main(command) == 1
        assert "bring them back with `rxcandles lake unseal" in capsys.readouterr().err
    assert main(["lake", "unseal", "lake", "--since", "2024-02-01"]) == 0
    assert "KRW-BTC 60m: 1 candle of 1 month are back" in capsys.readouterr().out
    assert main(["lake", "unseal", "lake", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["candles"] == 1
    assert main(["lake", "unseal", "lake"]) == 0
    assert capsys.readouterr().out == "nothing of it is sealed\n"
    assert main([*words, "--json", "KRW-ETH"]) == 1
    assert json.loads(capsys.readouterr().out)["left"] == [{"month": "2024-01-01T00:00:00Z", "reason": "it has gaps"}]


def test_import(capsys: pytest.CaptureFixture[str]) -> None:
    """A lake is imported like any folder; its manifests are no files of candles."""
    fill("KRW-xETH")
    assert main(["lake", "sync", "lake", "--quiet"]) == 0
    assert main(["import", "lake", "--db", "new.db"]) == 0
    out, err = capsys.readouterr()
    assert (sorted(line.split(":")[0] for line in out.splitlines()), err) == (
        ["KRW-BTC 60m"] * 2 + ["KRW-xETH 60m"] * 2,
        "",
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["sync", "ftp://host/x"], "target is an address (ftp://…); give a folder, or s3://BUCKET/PREFIX"),
        (["sync", f"s3://key:{KEY}@bucket/x"], "target has more than a bucket and a prefix"),
        (["sync", "lake", "KRW-XRP"], "nothing is stored for KRW-XRP in 'candles.db'"),
        (["sync", "lake", "--exchange", "none"], "nothing is stored from none in 'candles.db'"),
        (["verify", "lake", "--db", "none.db"], "there is no database 'none.db'"),
        (["seal", "lake"], "Missing option '--older-than'"),
        (["seal", "lake", "--older-than", "soon"], "--older-than is 'soon'"),
        (["sync"], "Missing argument 'TARGET'; `rxcandles lake sync --help` has examples"),
    ],
)
def test_mistakes(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake is one line on stderr, with exit code 2, and shows no key."""
    assert main(["lake", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert says in err
    assert KEY not in err


def test_export_to_a_bucket(capsys: pytest.CaptureFixture[str]) -> None:
    """An export to an address says what keeps a bucket current, and makes no folder of that name."""
    before = {path.name for path in Path().iterdir()}
    assert main(["export", "KRW-BTC", "60m", "-o", "s3://bucket/btc.parquet"]) == 2
    assert "`rxcandles lake sync s3://BUCKET/PREFIX`" in capsys.readouterr().err
    assert {path.name for path in Path().iterdir()} == before


@pytest.mark.parametrize("name", sorted(lake.commands))
def test_help(name: str) -> None:
    """Each command says what it reads and writes, and has examples."""
    command = lake.commands[name]
    page = command.get_help(click.Context(command, info_name=name, max_content_width=100, terminal_width=100))
    assert re.search(r"\n  Reads:    \S.*\n  Writes:   \S(?:.*\n)+?  Network:  \S", page)
    assert len(re.findall(rf"\n  rxcandles lake {name} my-lake", page)) >= 2
    for option in command.params:
        if isinstance(option, click.Option):
            assert re.match(r"[A-Z].*[.]$", (option.help or "").partition("  [default")[0]), option.name
