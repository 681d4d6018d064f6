"""What a check has found against the exchange is repaired, and what is doubtful is asked about when that is wanted."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import rxcandles
from rxcandles.__main__ import main
from rxcandles.errors import RequestError
from rxcandles.exchanges import UpbitExchange
from rxcandles.integrity.findings import EXCHANGE_KINDS, NOTE_KINDS, Finding
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model.claims import Absence, ConfirmTimes
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.operators import Retry
from rxcandles.simulator import Illness, Market, Simulator, faults
from rxcandles.stores import SqliteStore
from tests.support.harm import NOW, SPARSE, START, contents, harm, places

BEGAN = START - 3000 * 60
"""When the dense market began."""
MARKETS = (Market("KRW-ETH", base_price=4_000_000, listed=BEGAN), Market("KRW-XRP", 0.5, base_price=3_000))
DENSE = ("KRW-ETH", "1m")
SPAN = (START, START + 600 * 60)
ASKED = {"to": to_datetime(SPAN[1]), "end": to_datetime(SPAN[0])}
MINUTE = Timeframe.of("1m")


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    """The exchange, at a time long after."""
    async with Simulator(MARKETS, rate=None, clock=lambda: NOW + 7200) as simulator:
        yield simulator


@pytest.fixture
async def path(tmp_path: Path, sim: Simulator) -> Path:
    """A file with a span of each market, collected."""
    path = tmp_path / "candles.db"
    async with rxcandles.connect(path, UpbitExchange(sim.base_url), rate_limit=None) as provider:
        for symbol, timeframe in (DENSE, SPARSE):
            await provider.collect_candles_only(symbol, timeframe, **ASKED)  # type: ignore[arg-type]
    sim.reset_stats()
    return path


async def checked(path: Path, sim: Simulator, *series: str, sample: int = 12, seed: int = 0, **how: Any) -> Any:
    """Hold some of it against that exchange."""
    async with UpbitExchange(sim.base_url) as exchange:
        return await rxcandles.verify(
            path, *series, exchange=exchange, limiter=SlidingWindowLimiter(None), sample=sample, seed=seed,
            retry=Retry(attempts=2, base=0), now=NOW + 7200, **how,
        )  # fmt: skip


async def repaired(path: Path, sim: Simulator, **how: Any) -> rxcandles.RepairReport:
    """Repair it with that exchange."""
    return await rxcandles.repair(path, UpbitExchange(sim.base_url), rate_limit=None, now=NOW + 7200, **how)


def counts(report: Any) -> dict[str, int]:
    """What is wrong; a note is not."""
    return {kind: count for kind, count in report.counts.items() if kind not in NOTE_KINDS}


def number(symbol: str) -> str:
    return f"(SELECT id FROM series WHERE symbol = '{symbol}')"


async def harm_all(path: Path) -> dict[str, int]:
    """Make a candle of each kind that only the exchange shows in the sparse series; return where."""
    async with SqliteStore(path) as store:
        opens = [row.open_time for row in await store.rows(SPARSE[0], MINUTE, *SPAN, "oldest_first", 1000)]
    extra = next(at for at in range(opens[100], opens[-1], 60) if at not in opens)
    series = number(SPARSE[0])
    harm(
        path,
        f"DELETE FROM candles WHERE series = {series} AND open_time = {opens[30]}",
        f"UPDATE candles SET volume = volume + 1 WHERE series = {series} AND open_time = {opens[60]}",
        f"INSERT INTO candles SELECT {series}, {extra}, 5, 6, 4, 5, 1, 1, {extra * 1000}, NULL, NULL, NULL",
        f"UPDATE coverage SET rows = (SELECT count(*) FROM candles WHERE series = {series} AND open_time >= start"
        f" AND open_time < stop) WHERE series = {series}",
    )
    assert (await rxcandles.verify(path, now=NOW + 7200)).clean
    return {"missing_candle": opens[30], "different_candle": opens[60], "extra_candle": extra}


@pytest.mark.parametrize("how", ["a report", "findings", "in the same run"])
async def test_all_three_kinds(how: str, path: Path, sim: Simulator) -> None:
    """Three of three kinds are found, and three of three repaired; then nothing is found."""
    whole = contents(path)
    wrong = await harm_all(path)
    report = await checked(path, sim, *SPARSE)
    assert {kind: at for kind, _, _, at, _ in places(report) if kind not in NOTE_KINDS} == wrong
    if how == "in the same run":
        done = await repaired(path, sim, sample=12, seed=0, symbol=SPARSE[0], timeframe=SPARSE[1])
        assert done.before.samples == 12
        assert places(done.before) == places(report)
    else:
        done = await repaired(path, sim, findings=report if how == "a report" else iter(report.findings))
    assert (done.repaired, done.failures) == (True, ())
    assert (done.removed, done.revised) == (1, 1)
    after = contents(path)
    assert after["candles"] == whole["candles"]
    assert after["schema"] == whole["schema"]
    assert (await checked(path, sim, *SPARSE)).clean
    sim.reset_stats()
    assert (await repaired(path, sim, findings=report)).repaired
    assert contents(path)["candles"] == whole["candles"]


async def test_each_alone(path: Path, sim: Simulator) -> None:
    """Each kind is repaired without the others, which stay."""
    wrong = await harm_all(path)
    report = await checked(path, sim, *SPARSE)
    for kind in EXCHANGE_KINDS:
        (finding,) = (each for each in report.findings if each.kind == kind)
        assert (await repaired(path, sim, findings=[finding])).repaired
    assert (await checked(path, sim, *SPARSE)).clean
    assert len(wrong) == 3


async def test_dry_run(path: Path, sim: Simulator) -> None:
    """A dry run compares and says what would be done, and writes nothing."""
    await harm_all(path)
    content = contents(path)
    done = await repaired(path, sim, sample=12, seed=0, dry_run=True)
    assert {step.action for step in done.steps} == {"distrust", "question"}
    assert not done.repaired
    assert contents(path) == content


async def test_the_beginning_of_history(path: Path, sim: Simulator) -> None:
    """What is missing before the first stored candle is found by one page, and by that one finding all of it comes."""
    harm(path, f"UPDATE coverage SET start = 0 WHERE series = {number('KRW-ETH')}")
    assert (await rxcandles.verify(path, now=NOW + 7200)).clean
    report = await checked(path, sim, *DENSE, sample=1, most=3)
    assert counts(report) == {"missing_candle": 199}
    done = await repaired(path, sim, findings=report)
    assert (done.repaired, done.stored) == (True, 3000)
    assert (await checked(path, sim, *DENSE)).clean


async def test_true_beginnings_and_empty_markets(path: Path, sim: Simulator) -> None:
    """A true beginning makes no finding; where nothing is stored at all, everything there is is missing."""
    async with rxcandles.connect(path, UpbitExchange(sim.base_url), rate_limit=None) as provider:
        await provider.collect_candles_only("KRW-ETH", "60m", to=to_datetime(SPAN[1]), end=to_datetime(0))
    assert (await checked(path, sim, "KRW-ETH", "60m", sample=8)).clean
    async with SqliteStore(path) as store:
        await store.write("KRW-ETH", Timeframe.of("5m"), [], (0, SPAN[1]))
    report = await checked(path, sim, "KRW-ETH", "5m", sample=4)
    assert (report.samples, counts(report)) == (1, {"missing_candle": 200})
    assert (await repaired(path, sim, findings=report)).stored == 720


async def test_doubtful_absences_come_first(path: Path, sim: Simulator) -> None:
    """A few pages among thousands of candles go to what is doubtful: an hour that an ill answer left out is found."""
    lost = (START + 300 * 60, START + 360 * 60)
    sim.illnesses.add(Illness(lost=(lost,)))
    async with rxcandles.connect(path, UpbitExchange(sim.base_url), rate_limit=None) as provider:
        await provider.collect_candles_only(*DENSE, **ASKED, refetch=True)  # type: ignore[arg-type]
    sim.illnesses.clear()
    report = await checked(path, sim, *DENSE, sample=1)
    assert counts(report) == {"missing_candle": 60}
    # A single finding takes the proof of all of the absence.
    done = await repaired(path, sim, findings=[each for each in report.findings if each.kind == "missing_candle"][:1])
    assert (done.repaired, done.stored) == (True, 60)


@pytest.mark.parametrize(
    "illness",
    [
        Illness(lost=((START + 100 * 60, START + 130 * 60), (START + 400 * 60, START + 401 * 60))),
        Illness(without_newest=1),
        Illness(lag=NOW - START - 300 * 60),
    ],
    ids=["lost", "without the newest", "behind"],
)
async def test_an_ill_exchange_makes_no_findings(illness: Illness, path: Path, sim: Simulator) -> None:
    """What one connection in four lacks is nothing that is wrong, and each page goes over a connection of its own."""
    sim.illnesses.add(illness, connections=(1, 4))
    report = await checked(path, sim, sample=60)
    ill = sum(each.ill for each in sim.log)
    assert ill > 10
    assert len({each.connection for each in sim.log}) == sim.stats.requests > 60
    assert set(counts(report)) <= {"extra_candle"}
    # Two ill ones in a row may agree; a repair asks twice itself, and a well answer decides.
    sim.illnesses.clear()
    before = contents(path)["candles"]
    assert (await repaired(path, sim, findings=report)).repaired
    assert contents(path)["candles"] == before


async def test_a_well_second_answer_decides(path: Path, sim: Simulator) -> None:
    """Where first answers are ill and second ones are not, nothing is found, whatever they lack or have otherwise."""
    for illness in (Illness(lost=((START + 60, START + 9000),)), Illness(without_newest=3)):
        sim.illnesses.clear()
        # One page after the other, each of which is asked for twice: by an ill one first.
        turn = iter(range(1000))
        sim.illnesses.add(illness, when=lambda _, turn=turn: next(turn) % 2 == 0)  # type: ignore[misc]
        for seed in range(5):
            report = await checked(path, sim, *DENSE, sample=1, seed=seed)
            assert report.clean, (illness, report.findings[:2])


async def test_the_exchange_fails(path: Path, sim: Simulator) -> None:
    """Where one market can't be compared it is said, and all others are; where none can, that is a failure."""
    harm(path, "UPDATE coverage SET rows = rows + 1")
    del sim.markets["KRW-XRP"]
    done = await repaired(path, sim, sample=20, seed=0)
    told = [(each.symbol, each.detail) for each in done.before.findings if each.kind == "not_compared"]
    assert [symbol for symbol, _ in told] == ["KRW-XRP"]
    assert told[0][1].startswith("it can't be compared: there is no market 'KRW-XRP'")
    assert done.before.samples == 20
    harm(path, "UPDATE coverage SET rows = rows + 1")
    done = await repaired(path, sim, sample=20, seed=0, symbol="KRW-XRP")
    assert any(each.startswith("not compared with the exchange: there is no market") for each in done.failures)
    assert not done.repaired
    assert done.after is not None
    assert done.after.clean


async def test_findings_are_questions_only(path: Path, sim: Simulator) -> None:
    """Findings that are not true, of other files or made up, change nothing."""
    before = contents(path)
    kinds = [*EXCHANGE_KINDS, "wrong_count"]
    spans = [(START - 10**7, START - 10**7 + 60), (START + 600, START + 660), (0, 60), (NOW + 10**6, NOW + 10**6 + 60)]
    names = [("upbit", *DENSE), ("other", *DENSE), ("upbit", "KRW-NONE", "1m"), ("upbit", "?", "7m")]
    findings = [
        Finding(kind, *name, start=to_datetime(start), stop=to_datetime(stop), detail="")  # type: ignore[arg-type]
        for kind in kinds
        for name in names
        for start, stop in spans
    ]
    assert (await repaired(path, sim, findings=findings)).repaired
    after = contents(path)
    assert (after["candles"], after["coverage"]) == (before["candles"], before["coverage"])
    for wrong in (3, [3], "x"):
        with pytest.raises(RequestError, match="findings"):
            await repaired(path, sim, findings=wrong)


async def test_killed(path: Path, sim: Simulator) -> None:
    """Killed while it asks anew, the candles are there, the check says what is left, and the next repair does it."""
    whole = contents(path)
    wrong = await harm_all(path)
    report = await checked(path, sim, *SPARSE)
    asked, hold = asyncio.Event(), asyncio.Event()
    sim.faults.add(faults.delay(hold), when=lambda _: not asked.set())  # type: ignore[func-returns-value]
    harmed = contents(path)
    program = (
        "import asyncio, sys, rxcandles;from rxcandles.exchanges import UpbitExchange;"
        "from rxcandles.integrity.findings import Finding;from rxcandles.model.timeframe import to_datetime as at;"
        "some = [Finding(kind, 'upbit', 'KRW-XRP', '1m', at(int(t)), at(int(t) + 60), '')"
        " for kind, t in zip(sys.argv[4::2], sys.argv[5::2])];"
        "asyncio.run(rxcandles.repair(sys.argv[1], UpbitExchange(sys.argv[2]), now=float(sys.argv[3]), findings=some))"
    )
    words = [str(each) for pair in wrong.items() for each in pair]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(path), sim.base_url, str(NOW + 7200), *words
    )
    await asyncio.wait_for(asked.wait(), 60)
    process.kill()
    await process.wait()
    hold.set()
    sim.faults.clear()
    assert contents(path)["candles"] == harmed["candles"]
    assert set(counts(await rxcandles.verify(path, now=NOW + 7200))) == {"unfinished_repair"}
    assert (await repaired(path, sim)).repaired
    assert contents(path)["candles"] == whole["candles"]
    assert contents(path)["schema"] == whole["schema"]
    assert (await checked(path, sim, *SPARSE)).clean
    assert report.counts


async def lose(path: Path, sim: Simulator, lost: tuple[int, int]) -> None:
    """Let an ill answer take candles out, which leaves a doubtful absence."""
    sim.illnesses.add(Illness(lost=(lost,)))
    async with rxcandles.connect(path, UpbitExchange(sim.base_url), rate_limit=None) as provider:
        await provider.collect_candles_only(*DENSE, **ASKED, refetch=True)  # type: ignore[arg-type]
    sim.illnesses.clear()
    sim.reset_stats()


async def test_absences(path: Path, sim: Simulator) -> None:
    """All doubtful absences are asked about now, over other connections, and what comes is stored."""
    whole = contents(path)["candles"]
    await lose(path, sim, (START + 300 * 60, START + 360 * 60))
    async with SqliteStore(path) as store:
        assert [claim.kind for claim in await store.claims("KRW-ETH", MINUTE, *SPAN)] == ["gap"]
    done = await repaired(path, sim, absences=True, symbol=DENSE[0])
    assert done.absences is not None
    assert (done.absences.asked, done.absences.healed, done.absences.candles) == (1, 1, 60)
    assert (done.absences.left, done.absences.until, done.repaired) == (0, None, True)
    assert contents(path)["candles"] == whole
    assert sim.stats.requests == done.requests <= 2
    assert "unfinished" not in {name for _, name, _ in contents(path)["schema"]}
    again = await repaired(path, sim, absences=True, symbol=DENSE[0])
    assert (again.absences, again.requests) == (rxcandles.integrity.findings.AbsencesAsked(0, 0, 0, 0, None), 0)


async def test_absences_take_their_time(path: Path, sim: Simulator) -> None:
    """An answer that says the same before its time makes nothing final; after it, it does."""
    sim.illnesses.add(Illness(lost=((START + 300 * 60, START + 360 * 60),)))
    async with rxcandles.connect(path, UpbitExchange(sim.base_url), rate_limit=None) as provider:
        await provider.collect_candles_only(*DENSE, **ASKED, refetch=True)  # type: ignore[arg-type]
    done = await repaired(path, sim, absences=True, symbol=DENSE[0])
    assert done.absences is not None
    assert (done.absences.asked, done.absences.healed, done.absences.left) == (1, 0, 1)
    assert done.absences.until is not None
    assert 3500 < done.absences.until.timestamp() - time.time() <= 3600
    other = await repaired(path, sim, absences=True, symbol="KRW-NONE")
    assert other.absences is not None
    assert other.absences.asked == 0
    harm(path, "UPDATE claims SET first_heard = first_heard - 3600, due = due - 3600, final = final - 3600")
    done = await repaired(path, sim, absences=True, symbol=DENSE[0])
    assert done.absences is not None
    assert (done.absences.asked, done.absences.healed, done.absences.left) == (1, 0, 0)


async def test_absences_stopped_in_between(path: Path, sim: Simulator) -> None:
    """Stopped when the first candles have come, what they leave without proof is known, and the next repair has it."""
    async with SqliteStore(path) as store:
        await store.write("KRW-ETH", MINUTE, [], (0, START), [Absence.of("beginning", (0, START), ConfirmTimes())])
    task = asyncio.ensure_future(repaired(path, sim, absences=True, symbol=DENSE[0]))
    while sim.stats.requests < 4 and not task.done():
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert counts(await rxcandles.verify(path, now=NOW + 7200)) == {"unfinished_repair": 1}
    assert (await repaired(path, sim)).repaired
    held = [row for row in contents(path)["candles"] if row[1:3] == DENSE and int(str(row[3])) < START]
    assert len(held) == 3000


@pytest.mark.usefixtures("no_waits")
async def test_absences_when_the_exchange_fails(path: Path, sim: Simulator) -> None:
    """Where it can't be asked that is a failure, and the absences stay as doubtful as they were."""
    await lose(path, sim, (START + 300 * 60, START + 360 * 60))
    sim.faults.add(faults.garbage())
    done = await repaired(path, sim, absences=True, symbol=DENSE[0])
    assert done.absences is not None
    assert (len(done.failures), done.absences.left, done.repaired) == (1, 1, False)
    sim.faults.clear()
    assert (await repaired(path, sim, absences=True, symbol=DENSE[0])).repaired


MIDNIGHT = 1_704_067_200
SIMULATED = ["--exchange", "simulated", "--rate-limit", "none"]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A day of minutes, collected from the command line; one is gone, one is other, one is made up."""
    monkeypatch.chdir(tmp_path)
    words = ["collect", SPARSE[0], "1m", "--to", "2024-01-02", "--end", "2024-01-01", *SIMULATED, "--quiet"]
    assert main(words) == 0
    capsys.readouterr()
    path = tmp_path / "candles.db"
    opens = sorted(row[3] for row in contents(path)["candles"])  # type: ignore[type-var]
    empty = [at for at in range(MIDNIGHT, MIDNIGHT + 86_400, 60) if at not in opens]
    harm(
        path,
        f"DELETE FROM candles WHERE open_time = {opens[700]}",
        f"UPDATE candles SET turnover = turnover + 1 WHERE open_time = {opens[750]}",
    )
    if empty:
        extra = empty[len(empty) // 2]
        harm(path, f"INSERT INTO candles SELECT 1, {extra}, 5, 6, 4, 5, 1, 1, {extra * 1000}, NULL, NULL, NULL")
    harm(path, "UPDATE coverage SET rows = (SELECT count(*) FROM candles)")
    return path


def test_command(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`repair --against-exchange` compares and repairs in one run, and says what it did; then nothing is found."""
    verify = ["verify", "--against-exchange", "40", "--seed", "1", *SIMULATED]
    assert main(verify) == 3
    found = capsys.readouterr().out
    kinds = {kind for kind in EXCHANGE_KINDS if f"{kind}: " in found}
    assert kinds >= {"missing_candle", "different_candle"}
    assert main(["repair", "--against-exchange", "40", "--seed", "1", "--dry-run", *SIMULATED]) == 3
    assert "would be fetched again: " in capsys.readouterr().out
    assert main(["repair", "--against-exchange", "40", "--seed", "1", *SIMULATED]) == 0
    out = capsys.readouterr().out.splitlines()
    assert any("fetched again: " in line and line.endswith("which stay until the new page has arrived") for line in out)
    assert any(re.search(", [01] new stored, 1 replaced with ", line) for line in out)
    assert out[-1] == "candles.db: nothing is wrong now"
    assert main(verify) == 0


def test_command_from_json(there: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What `verify --json` printed is repaired from a file or from stdin, and the report says so as JSON."""
    verify = ["verify", "--against-exchange", "40", "--seed", "1", *SIMULATED, "--json"]
    assert main(verify) == 3
    text = capsys.readouterr().out
    Path("found.json").write_text(text)
    assert main(["repair", "--from", "found.json", *SIMULATED, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["repaired"], told["revised"], told["before"]["counts"]) == (True, 1, {})
    assert main(verify) == 0
    capsys.readouterr()
    with open("found.json", "rb") as file:
        monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": file}))
        assert main(["repair", "--from", "-", *SIMULATED]) == 0
    capsys.readouterr()
    some = json.loads(text)
    some["counts"]["missing_candle"] += 7
    Path("found.json").write_text(json.dumps(some))
    assert main(["repair", "--from", "found.json", *SIMULATED]) == 0
    assert capsys.readouterr().err == (
        "note: 'found.json' does not list all findings: 7 more were counted; run `rxcandles verify` again afterwards\n"
    )


def test_command_absences(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`repair --absences` says how many were asked about, how many had candles, and what is left until when."""
    span = f"{MIDNIGHT + 36000}, {MIDNIGHT + 39600}"
    now = int(time.time())
    harm(there, f"INSERT INTO claims VALUES (1, 'gap', {span}, {now}, {now}, 1, {now + 3600}, {now + 3600}, NULL)")
    harm(there, f"DELETE FROM candles WHERE open_time >= {MIDNIGHT + 36000} AND open_time < {MIDNIGHT + 39600}")
    harm(there, "UPDATE coverage SET rows = (SELECT count(*) FROM candles)")
    assert main(["repair", "--absences", *SIMULATED, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["absences"]
    assert (told["asked"], told["healed"]) == (1, 1)
    assert told["candles"] > 30
    assert (told["until"] is None) == (told["left"] == 0)
    assert main(["repair", "--absences", *SIMULATED]) == 0
    out = capsys.readouterr().out
    assert ("asked about again: 0 had candles, 0 stored; " in out) == (told["left"] > 0)
    assert "nothing is wrong" in out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no file 'found.json'"),
        ("{", "is not a report of `rxcandles verify --json`"),
        ("[]", "it has no list of findings"),
        ('{"findings": [3]}', "findings[0] is 3"),
        ('{"findings": [{"kind": "odd"}]}', "findings[0].kind is 'odd'"),
        ('{"findings": [{"kind": "extra_candle"}]}', "findings[0].exchange is None"),
        (
            '{"findings": [{"kind": "extra_candle", "exchange": "u", "symbol": "K", "timeframe": "1m", "start": "x"}]}',
            "findings[0].start: 'x' is not a time",
        ),
    ],
)
def test_command_refuses(text: str | None, said: str, there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no report is one line on stderr that says what is wrong with it, and nothing is touched."""
    before = there.read_bytes()
    if text is not None:
        Path("found.json").write_text(text)
    assert main(["repair", "--from", "found.json", *SIMULATED]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert there.read_bytes() == before
    assert main(["repair", "--seed", "3", *SIMULATED]) == 2
