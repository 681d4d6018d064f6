"""Whose candles: a simulator's, an exchange's and a mirror's are never mixed, in the library and at the shell."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import attrs
import pytest

import rxcandles
from rxcandles import Row
from rxcandles.__main__ import main
from rxcandles.exchanges import UpbitExchange
from rxcandles.model.naming import SIMULATED_HEADER, address_of
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.simulator import Simulator

MINUTE = Timeframe.of("1m")
NOW = 1_773_240_030
SPAN = ["--to", "2024-01-02", "--end", "2024-01-01"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(rate=None, clock=lambda: NOW) as simulator:
        yield simulator


@attrs.frozen
class Mask:
    """Hides that the simulators here are simulators, as servers are that are none of ours."""

    _patch: pytest.MonkeyPatch

    def on(self) -> None:
        """From now on they don't say it."""
        self._patch.setattr("rxcandles.simulator.server.SIMULATED_HEADER", "X-Nothing")
        self._patch.setattr("rxcandles.simulator.sending.SIMULATED_HEADER", "X-Nothing")

    def off(self) -> None:
        """From now on they say it again."""
        self._patch.setattr("rxcandles.simulator.server.SIMULATED_HEADER", SIMULATED_HEADER)
        self._patch.setattr("rxcandles.simulator.sending.SIMULATED_HEADER", SIMULATED_HEADER)


@pytest.fixture
def mask(monkeypatch: pytest.MonkeyPatch) -> Mask:
    return Mask(monkeypatch)


def stored(path: Path | str = "candles.db") -> dict[str, int]:
    """The candles of each exchange in a file."""
    with sqlite3.connect(path) as file:
        found = file.execute(
            "SELECT exchange, count(*) FROM candles JOIN series ON series.id = candles.series GROUP BY exchange"
        ).fetchall()
    file.close()
    return dict(found)


@pytest.mark.parametrize("name", ["upbit", "upbit@lab"])
async def test_a_simulator_is_no_exchange(sim: Simulator, name: str) -> None:
    """Under an exchange's name its first answer is refused with both names and the command: not retried, not stored."""
    async with rxcandles.connect("candles.db", base_url=sim.base_url, name=name, rate_limit=None) as provider:
        for ask in (provider.get_candles, provider.collect_candles_only):
            sim.reset_stats()
            with pytest.raises(rxcandles.WrongServerError, match="is a simulator, whose candles are") as caught:
                await ask("KRW-BTC", "1m", count=150, to=to_datetime(NOW))
            assert "stored as 'simulated' and never as " + repr(name) in str(caught.value)
            assert f"--exchange simulated --base-url {sim.base_url} " in str(caught.value)
            assert sim.stats.requests == 1
        with pytest.raises(rxcandles.WrongServerError, match="all markets: "):
            await provider.exchange.markets()
        assert await provider.repository.series() == []
    assert stored() == {}


async def test_a_server_says_that_it_is_a_simulator(sim: Simulator) -> None:
    """Without a name it is asked who it is, which is no request for candles; what it makes up is ``simulated``."""
    for url, asked in ((sim.base_url, True), (sim.base_url.replace("http://", "HTTP://") + "/", False)):
        async with rxcandles.connect("candles.db", base_url=url, rate_limit=None) as provider:
            assert (provider.exchange.name, sim.stats.requests) == ("simulated", 0)
            summary = await provider.collect_candles_only("KRW-ETH", "1m", count=300, to=to_datetime(NOW - 30))
            assert (summary.collected_count, summary.api_calls_made > 0) == (300, asked)
        sim.reset_stats()
    assert stored() == {"simulated": 300}


async def test_who_can_not_be_asked() -> None:
    """A server that is not there has the name of its address; what goes wrong is told by what asks it for candles."""
    async with rxcandles.connect("candles.db", base_url="http://127.0.0.1:9", rate_limit=None) as provider:
        assert provider.exchange.name == "upbit@127.0.0.1:9"


@pytest.mark.parametrize(("name", "whose"), [(None, "simulated"), ("lab", "lab"), ("simulated@lab", "simulated@lab")])
async def test_a_simulator_elsewhere(sim: Simulator, name: str | None, whose: str) -> None:
    """A simulator in another process is used by its address; its candles are the simulator's, or the name's."""
    async with rxcandles.connect("candles.db", "simulated", sim.base_url, rate_limit=None, name=name) as provider:
        await provider.collect_candles_only("KRW-ETH", "1m", count=300, to=to_datetime(NOW - 30))
    assert stored() == {whose: 300}


async def test_what_is_no_simulator_is_not_simulated(mask: Mask, sim: Simulator) -> None:
    """A server that does not say that it is a simulator is refused as one; as the user's own name it may be either."""
    mask.on()
    async with rxcandles.connect("candles.db", "simulated", sim.base_url, rate_limit=None) as provider:
        with pytest.raises(rxcandles.WrongServerError, match="does not say that it is a simulator, so its candles"):
            await provider.collect_candles_only("KRW-ETH", "1m", count=300, to=to_datetime(NOW))
    assert (sim.stats.requests, stored()) == (1, {})
    for _ in range(2):
        async with rxcandles.connect("candles.db", base_url=sim.base_url, name="lab", rate_limit=None) as provider:
            await provider.collect_candles_only("KRW-ETH", "1m", count=100, to=to_datetime(NOW - 30))
        mask.off()
    assert list(stored()) == ["lab"]


async def test_a_server_of_another_address(mask: Mask, sim: Simulator) -> None:
    """Its candles have a name of their own, and those of the exchange are asked for and kept beside them."""
    mask.on()
    asked = {"symbol": "KRW-ETH", "timeframe": "1m", "count": 200, "to": to_datetime(NOW - 30)}
    url = sim.base_url.replace("http://", "HTTP://") + "/"
    for first in (True, False):
        async with rxcandles.connect("candles.db", base_url=url, rate_limit=None) as provider:
            summary = await provider.collect_candles_only(**asked)  # type: ignore[arg-type]
            assert (summary.api_calls_made > 0) is first
        url = sim.base_url
    async with rxcandles.connect("candles.db", base_url=url, name="upbit", rate_limit=None) as provider:
        summary = await provider.collect_candles_only(**asked)  # type: ignore[arg-type]
        assert summary.stored_count == 200
    assert stored() == {f"upbit@{address_of(url)}": 200, "upbit": 200}
    assert (await rxcandles.verify("candles.db")).clean


async def test_the_object_is_an_own_door(sim: Simulator) -> None:
    """Who makes an exchange's object says whose candles they are; ``simulated`` lets it look all the same."""
    async with UpbitExchange(sim.base_url) as exchange:
        assert (exchange.name, len(await exchange.markets()) > 0) == ("upbit", True)
    async with UpbitExchange(sim.base_url, simulated=False) as exchange:
        with pytest.raises(rxcandles.WrongServerError):
            await exchange.markets()
    with pytest.raises(rxcandles.RequestError, match="^name is given, but the exchange given has its own; give one"):
        rxcandles.connect("candles.db", UpbitExchange(), name="mine")


async def test_two_sources_in_one_series(sim: Simulator) -> None:
    """A store and an exchange that name different sources are refused together, with both names."""
    async with rxcandles.SqliteStore("candles.db") as store, UpbitExchange(sim.base_url, name="mine") as exchange:
        with pytest.raises(rxcandles.RequestError, match="candles of 'upbit', and the exchange's are 'mine'; open it"):
            rxcandles.CandleDataProvider(store, exchange, rxcandles.SlidingWindowLimiter(None))


async def test_limits_belong_to_addresses(sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit is shared by all that open the same address, whatever they call it; the real one is shared unasked."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    def found() -> set[str]:
        return {path.name for path in tmp_path.glob("*/*.lease")}

    async def leases(**how: object) -> set[str]:
        async with rxcandles.connect(":memory:", **how):  # type: ignore[arg-type]
            return found()

    assert await leases(base_url=sim.base_url) == await leases(exchange="simulated") == set()
    one = await leases(base_url=sim.base_url, share_limit=True)
    assert len(one) == 1
    assert await leases(base_url=sim.base_url, name="mirror", share_limit=True) == one
    assert await leases(exchange="simulated", base_url=sim.base_url + "/", share_limit=True) == one
    assert await leases() == await leases(base_url="https://API.upbit.com:443/") == {*one, "upbit.lease"}
    await leases(exchange=UpbitExchange(sim.base_url, name="upbit@[::1]:80"), share_limit=True)


async def test_repair_asks_the_source_it_names(mask: Mask, sim: Simulator) -> None:
    """Repair goes by the same names: only that source's series are mended, and a wrong server mends none of them."""
    mask.on()
    async with rxcandles.connect("candles.db", base_url=sim.base_url, name="mirror", rate_limit=None) as provider:
        await provider.collect_candles_only("KRW-ETH", "1m", count=200, to=to_datetime(NOW - 30))
    with sqlite3.connect("candles.db") as file:
        file.execute("DELETE FROM candles WHERE open_time % 600 = 0")
    file.close()
    other = await rxcandles.repair("candles.db", base_url=sim.base_url, rate_limit=None, now=NOW)
    assert (other.steps, other.requests) == ((), 0)
    mask.off()
    as_simulated = {"base_url": sim.base_url, "rate_limit": None, "now": NOW}
    report = await rxcandles.repair("candles.db", "simulated", name="mirror", **as_simulated)  # type: ignore[arg-type]
    assert report.repaired
    assert stored() == {"mirror": 200}


async def test_a_refused_repair_goes_on_later(mask: Mask, sim: Simulator) -> None:
    """What a wrong server was asked for is still to be fetched: it has said nothing about the series."""
    mask.on()
    async with rxcandles.connect("candles.db", base_url=sim.base_url, name="upbit", rate_limit=None) as provider:
        await provider.collect_candles_only("KRW-ETH", "1m", count=200, to=to_datetime(NOW - 30))
    with sqlite3.connect("candles.db") as file:
        file.execute("DELETE FROM candles WHERE open_time % 600 = 0")
    file.close()
    mask.off()
    how = {"base_url": sim.base_url, "name": "upbit", "rate_limit": None, "now": NOW}
    report = await rxcandles.repair("candles.db", **how)  # type: ignore[arg-type]
    assert not report.repaired
    assert "is a simulator" in report.failures[0]
    mask.on()
    report = await rxcandles.repair("candles.db", **how)  # type: ignore[arg-type]
    assert report.repaired
    assert stored() == {"upbit": 200}


# At the shell


@pytest.fixture
def server(upbit_simulator: type[Simulator]) -> Iterator[Simulator]:
    """A simulator beside the commands, which have an event loop of their own."""
    ready, stop = threading.Event(), threading.Event()
    served: list[Simulator] = []

    async def serve() -> None:
        async with upbit_simulator(rate=None) as sim:
            served.append(sim)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    yield served[0]
    stop.set()
    thread.join()


@pytest.mark.parametrize(
    "words",
    [
        ["collect", "KRW-ETH", "1m", *SPAN],
        ["collect", "KRW-*", "1m", *SPAN],
        ["get", "KRW-ETH", "1m", *SPAN],
        ["stream", "KRW-ETH", "1m", *SPAN],
        ["plan", "KRW-*", "1m", *SPAN],
        ["markets"],
    ],
    ids=" ".join,
)
def test_a_simulator_at_the_shell(words: list[str], server: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what to write instead, and that works; nothing of the simulator is stored as the exchange's."""
    words = [*words, "--base-url", server.base_url]
    assert main([*words, "--name", "upbit"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert f"write --exchange simulated --base-url {server.base_url} " in err
    assert server.stats.requests == 1
    assert not Path("candles.db").exists() or stored() == {}
    for whose in ([], ["--exchange", "simulated"]):
        assert main([*words, *whose]) == 0
        assert not Path("candles.db").exists() or list(stored()) == ["simulated"]


def test_a_mirror_at_the_shell(mask: Mask, server: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """Candles of another address are kept under the name that is told; every command finds them by it."""
    mask.on()
    there = ["--base-url", server.base_url]
    own = f"upbit@{address_of(server.base_url)}"
    assert main(["plan", "KRW-ETH", "1m", *SPAN, *there]) == 0
    assert f"from '{own}'" in capsys.readouterr().out
    assert main(["collect", "KRW-ETH", "1m", *SPAN, *there]) == 0
    assert f"1,440 candles stored in candles.db as {own}, 2024" in capsys.readouterr().out
    assert main(["collect", "KRW-ETH", "1m", "1d", *SPAN, *there, "--name", "upbit"]) == 0
    assert "2 of 2 series are complete in candles.db\n" in capsys.readouterr().out
    assert main(["coverage"]) == 0
    assert own in capsys.readouterr().out
    assert main(["export", "KRW-ETH", "1m", "-o", "a.csv"]) == 2
    assert f"from upbit and {own}; choose one with --exchange" in capsys.readouterr().err
    for option in ("--exchange", "--name"):
        assert main(["export", "KRW-ETH", "1m", "-o", "a.csv", "--force", option, own]) == 0
        assert main(["chart", "KRW-ETH", "1m", "-o", "a.html", "--force", option, own]) == 0
    capsys.readouterr()
    server.reset_stats()
    assert main(["verify", "--against-exchange", "5", *there]) == 0
    assert "5 pages compared with the exchange; nothing is wrong" in capsys.readouterr().out
    assert server.stats.requests == 5
    assert main(["plan", "KRW-ETH", "60m", *SPAN, *there, "--name", "mirror"]) == 0
    assert "from 'mirror'" in capsys.readouterr().out


def test_what_is_left_to_another_source(mask: Mask, server: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """What a command did not ask for is told with the options that ask for it."""
    mask.on()
    there = ["--base-url", server.base_url]
    assert main(["collect", "KRW-ETH", "1m", *SPAN, *there, "--name", "mirror"]) == 0
    assert (
        main(["collect", "KRW-ETH", "1m", "--to", "2024-01-04", "--end", "2024-01-03", *there, "--name", "mirror"]) == 0
    )
    assert main(["export", "KRW-ETH", "1m", "-o", "a.csv"]) == 0
    assert " --base-url URL --name mirror` fetches what is missing" in capsys.readouterr().err
    with sqlite3.connect("candles.db") as file:
        file.execute("DELETE FROM candles WHERE open_time % 36000 = 0")
    file.close()
    assert main(["repair", "--dry-run"]) == 3
    out = capsys.readouterr().out
    assert "not repaired, because they are of exchange mirror: rxcandles repair --base-url URL --name mirror" in out
    assert main(["repair", "--dry-run", *there, "--name", "mirror"]) == 3
    assert "mirror KRW-ETH 1m: would be removed from the coverage" in capsys.readouterr().out
    assert main(["repair", *there, "--name", "mirror", "--rate-limit", "none"]) == 0


def test_jobs_name_their_source(mask: Mask, server: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of jobs says it as the options do."""
    mask.on()
    jobs = (
        f'[defaults]\nbase_url = "{server.base_url}"\nname = "mirror"\nsince = 2024-01-01\nto = 2024-01-02\n'
        '[[jobs]]\nsymbols = ["KRW-ETH"]\ntimeframes = ["60m"]\n'
    )
    Path("jobs.toml").write_text(jobs)
    assert main(["run", "jobs.toml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["collected_count"] == 24
    assert list(stored()) == ["mirror"]
    Path("jobs.toml").write_text(jobs.replace(f'base_url = "{server.base_url}"\n', ""))
    assert main(["run", "jobs.toml"]) == 2
    assert "name is 'mirror'; give base_url with it" in capsys.readouterr().err


def test_imports_have_the_name(mask: Mask, server: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """Imported candles lie beside those of the source that is named, and are compared with that."""
    Path("a.csv").write_text("open_time,open,high,low,close,volume\n2024-01-01T00:00:00,5,6,4,5.5,1\n")
    words = ["import", "a.csv", "--symbol", "KRW-ETH", "--timeframe", "1m", "--base-url", server.base_url]
    assert main(words) == 0
    assert main([*words, "--name", "mirror"]) == 0
    assert main([*words, "--exchange", "simulated", "--check", "1"]) == 3
    assert main([*words, "--check", "1"]) == 3
    mask.on()
    assert main(words) == 0
    capsys.readouterr()
    assert main(["coverage", "--json"]) == 0
    found = [json.loads(line)["exchange"] for line in capsys.readouterr().out.splitlines()]
    assert found == ["mirror", "simulated", f"upbit@{address_of(server.base_url)}"]


@pytest.mark.parametrize(
    "words",
    [
        ["--name", "mirror"],
        ["--name", "simulated", "--base-url", "http://127.0.0.1:9"],
        ["--name", "UPBIT", "--base-url", "http://127.0.0.1:9"],
        ["--name", "a b", "--base-url", "http://127.0.0.1:9"],
        ["--name", "upbit", "--exchange", "simulated"],
        ["--name", "upbit", "--exchange", "simulated", "--base-url", "http://127.0.0.1:9"],
        ["--exchange", "simulated", "--base-url", "https://api.upbit.com/"],
        ["--base-url", "http://127.0.0.1:9/A/Secret"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("command", ["collect", "get", "stream", "plan", "import", "verify", "repair", "markets"])
def test_mixing_is_refused(command: str, words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What would mix sources is one line and exit code 2, before anything is sent or written."""
    asked = {
        "import": ["a.csv", "--symbol", "KRW-ETH", "--timeframe", "1m"],
        "verify": ["--against-exchange", "1"],
        "repair": [],
        "markets": [],
    }
    Path("a.csv").write_text("open_time,open,high,low,close,volume\n2024-01-01T00:00:00,5,6,4,5.5,1\n")
    Path("candles.db").write_bytes(b"")
    assert main([command, *asked.get(command, ["KRW-ETH", "1m", *SPAN]), *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "Secret" not in err
    assert {path.name: path.stat().st_size for path in folder.iterdir() if path.suffix == ".db"} == {"candles.db": 0}


async def test_every_name_is_a_proper_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Names that hold an address, and long ones, are found right by verify, and shown as they are."""
    names = ["upbit@[fe80::1]:80", "upbit@mirror.example:8080/upbit", "a" * 64]
    for name in names:
        async with rxcandles.SqliteStore("candles.db", exchange=name) as store:
            await store.write("KRW-ETH", MINUTE, [Row(0, 5.0, 6.0, 4.0, 5.5, 1.0, 5.0, 1)], (0, 60))
    report = await rxcandles.verify("candles.db")
    assert (report.series, report.findings) == (3, ())
    assert await asyncio.to_thread(main, ["coverage", "--no-color"]) == 0
    out = capsys.readouterr().out
    assert [name in out for name in names] == [True, True, False]
    assert "aaaa…aaaa" in out  # what does not fit is shortened in its middle
    assert await asyncio.to_thread(main, ["coverage", "--json"]) == 0
    assert sorted(json.loads(line)["exchange"] for line in capsys.readouterr().out.splitlines()) == sorted(names)


async def test_simulated_says_so_always(sim: Simulator) -> None:
    """Every answer of a simulator says what it is, whatever is asked, and whatever goes wrong."""
    import aiohttp

    async with aiohttp.ClientSession() as session:
        for path in ("/v1/market/all", "/v1/candles/minutes/1?market=KRW-BTC", "/v1/candles/minutes/1", "/nowhere"):
            async with session.get(sim.base_url + path) as response:
                assert response.headers["X-Simulated"] == "rxcandles"
