"""What programs that watch a collector see: its health, its metrics, its heartbeat, and its log."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import signal
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import attrs
import pytest

from rxcandles import FollowConfig, RequestError, Timeframe, connect
from rxcandles.__main__ import main
from rxcandles.cli.display import Output
from rxcandles.cli.following import Asked, Following
from rxcandles.cli.logs import logged
from rxcandles.cli.watched import Watching
from rxcandles.live.stats import FollowStats, MarketStats
from rxcandles.serve.health import Health, health_of
from rxcandles.serve.healthserver import HealthServer
from rxcandles.serve.metrics import metrics_of
from tests.support.ownprocess import SIMULATED, command
from tests.support.virtualloop import run_virtual

WELL = MarketStats("KRW-BTC", "live", "", proven_lag=800.0, heard_lag=30.0, last_price=1.5)

MINUTE = Timeframe.of("1m")
USUAL = FollowConfig()


@attrs.frozen
class Fed:
    """A feed of which only the numbers matter."""

    market: MarketStats = WELL
    timeframe: Timeframe = MINUTE
    config: FollowConfig = USUAL

    def stats(self) -> FollowStats:
        """Return the numbers of one market."""
        return FollowStats([self.market], {self.market.state: 1}, 800.0, 800.0, 0.25, {"frames": 7}, 1, None, 1, 0)


def judged(**more: object) -> Health:
    return health_of("simulated", [Fed(attrs.evolve(WELL, **more))], {})


ILL = judged(state="stalled", reason="no answer", state_for=61.0)


@pytest.mark.parametrize(
    ("feed", "trouble"),
    [
        (Fed(), ""),
        (Fed(attrs.evolve(WELL, state="stalled", state_for=60.0, heard_lag=9e9)), ""),
        (Fed(attrs.evolve(WELL, state="stalled", state_for=61.0, reason="no answer")), "stalled for 61 s: no answer"),
        (Fed(attrs.evolve(WELL, state="live", state_for=1e6)), ""),
        (Fed(attrs.evolve(WELL, heard_lag=180.0)), ""),
        (Fed(attrs.evolve(WELL, heard_lag=181.0)), "181 s late"),
        (Fed(attrs.evolve(WELL, state="polling", heard_lag=181.0)), "181 s late"),
        (Fed(attrs.evolve(WELL, state="catching_up", heard_lag=1e6)), ""),
        (Fed(attrs.evolve(WELL, state="catching_up", heard_lag=None)), ""),
        (Fed(attrs.evolve(WELL, state="refused", heard_lag=1e6)), ""),
        (Fed(attrs.evolve(WELL, heard_lag=90.0), Timeframe.of("1s")), ""),
        (Fed(attrs.evolve(WELL, heard_lag=91.0), Timeframe.of("1s")), "91 s late"),
        (Fed(attrs.evolve(WELL, heard_lag=3 * 3600.0), Timeframe.of("60m")), ""),
        (Fed(attrs.evolve(WELL, heard_lag=780.0), config=FollowConfig(confirm=600.0)), ""),
        (Fed(attrs.evolve(WELL, heard_lag=781.0), config=FollowConfig(confirm=600.0)), "781 s late"),
    ],
)
def test_what_is_not_well(feed: Fed, trouble: str) -> None:
    """Stalled for more than a minute, or late by more than candles of that length and the way of asking explain."""
    health = health_of("simulated", [feed], {})
    assert health.ok is not bool(trouble)
    assert trouble in " ".join(health.troubles)
    assert all(each.startswith(f"KRW-BTC {feed.timeframe}: ") for each in health.troubles)


def test_a_feed_that_has_ended_is_not_well() -> None:
    """Its error is named; nothing at all is not well either."""
    health = health_of("simulated", [Fed()], {"1m": ValueError("gone\nfor good")})
    assert health.troubles == ["1m: ended: gone for good"]
    assert not health_of("simulated", [], {}).ok


async def test_a_feed_that_has_given_all_is_not_late() -> None:
    """What was asked for only once is not judged any more."""
    asked = Asked(once=True)

    async def tell(_: object) -> None:
        judgements.append(following.health())

    judgements: list[Health] = []
    async with connect(":memory:", exchange="simulated", rate_limit=None) as provider:
        following = Following(provider, asked, asked.config(), tell, lambda *_: None)
        await following.follow({"1m": {"KRW-BTC": 2}})
        await following.run()
        assert judgements[-1].ok
        assert [each["symbol"] for each in judgements[-1].to_dict()["markets"]] == ["KRW-BTC"]
        assert judgements[-1].to_dict()["markets"][0]["candle_age"] < 180
        assert following.health().to_dict()["markets"] == []
        await following.close()


SAMPLE = re.compile(r'rxcandles_(\w+)\{((?:\w+="(?:[^"\\\n]|\\[\\n"])*",?)+)\} (\S+)')


def test_metrics() -> None:
    """Each sample is of a family with a help and a type; labels are escaped; what is not known has no sample."""
    lines = metrics_of(judged(symbol='a"b\\c\nd', heard_lag=None)).splitlines()
    samples, families = [], {}
    for line in lines:
        if line.startswith("# HELP "):
            name = line.split()[2].removeprefix("rxcandles_")
            assert name not in families
            families[name] = ""
        elif line.startswith("# TYPE "):
            families[name] = line.split()[3]
        else:
            found = SAMPLE.fullmatch(line)
            assert found is not None, line
            assert found[1] == name  # the samples of a family stand together, below its type
            samples.append(found)
            float(found[3])
    assert {*families.values()} == {"gauge", "counter"}
    assert all((kind == "counter") == name.endswith("_total") for name, kind in families.items())
    labels = 'exchange="simulated",timeframe="1m",symbol="a\\"b\\\\c\\nd"'
    values = {(each[1], each[2]): float(each[3]) for each in samples}
    assert values["up", 'exchange="simulated"'] == 1
    assert values["market_last_price", labels] == 1.5
    assert values["market_state", labels + ',state="live"'] == 1
    assert values["market_state", labels + ',state="stalled"'] == 0
    assert values["stream_events_total", 'exchange="simulated",timeframe="1m",event="frames"'] == 7
    assert "market_heard_lag_seconds" in families
    assert ("market_heard_lag_seconds", labels) not in values


async def test_who_is_answered_what() -> None:
    """200 or 503 with the reason, metrics in either case; no name but this machine's own is answered."""
    now = [judged()]
    async with HealthServer(lambda: now[0], 0) as server, aiohttp.ClientSession() as http:
        metrics = server.url.replace("/health", "/metrics")
        port = int(server.url.split(":")[2].split("/")[0])
        async with http.get(server.url) as answer:
            told = await answer.json()
            assert (answer.status, told["ok"], told["states"]) == (200, True, {"live": 1})
            assert told["schema"] == "rxcandles/health/1"
            assert told["markets"][0]["heard_lag"] == 30.0
        now[0] = ILL
        async with http.get(server.url) as answer:
            assert answer.status == 503
            assert (await answer.json())["troubles"] == ["KRW-BTC 1m: stalled for 61 s: no answer"]
        async with http.get(metrics) as answer:
            assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
            assert 'rxcandles_up{exchange="simulated"} 0\n' in await answer.text()
        for url, more, status in (
            (server.url, {"Host": f"evil.example:{port}"}, 403),
            (metrics, {"Host": f"evil.example:{port}"}, 403),
            (metrics, {"Host": f"localhost:{port}"}, 200),
            (metrics, {"Origin": "http://evil.example"}, 403),
            (server.url.replace("/health", "/"), {}, 404),
        ):
            async with http.get(url, headers=more) as answer:
                assert answer.status == status, (url, more)
                if status == 403:
                    assert "only to this machine" in (text := await answer.text()) or "Another site" in text
        with pytest.raises(RequestError, match=rf"port {port} is taken by another program; end it, or give another"):
            await HealthServer(judged, port).__aenter__()
    async with HealthServer(judged, port):  # it is free again
        pass


def test_heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is written whole every few seconds while all is well, and not once while it is not."""
    path = tmp_path / "beat"
    health, seen = [judged()], []

    def look() -> Health:
        seen.append(path.stat().st_mtime_ns if path.exists() else 0)
        return health[0]

    async def at_once(function: Callable[..., object], *arguments: object) -> None:
        function(*arguments)  # a thread would need real time

    async def go() -> None:
        monkeypatch.setattr(asyncio, "to_thread", at_once)
        async with Watching(heartbeat=str(path)).telling(look, quiet=True):
            await asyncio.sleep(60)
            assert json.loads(path.read_text())["ok"]
            assert len({*seen}) >= 6  # it was another file at each look
            health[0] = ILL
            await asyncio.sleep(10)
            del seen[:]
            await asyncio.sleep(60)
            assert len({*seen}) == 1
            health[0] = judged()
            await asyncio.sleep(10)
            assert len({*seen}) >= 2

    run_virtual(go())
    assert [each.name for each in tmp_path.iterdir()] == ["beat"]
    with pytest.raises(RequestError, match="there is no folder"):
        run_virtual(_entered(Watching(heartbeat=str(tmp_path / "none" / "beat"))))


async def _entered(watching: Watching) -> None:
    async with watching.telling(judged, quiet=True):
        pass


def test_log_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that was moved is left alone, and another one begins; a folder that is gone is said once."""
    folder = tmp_path / "logs"
    folder.mkdir()
    path, log = folder / "log", logging.getLogger("rxcandles.test")
    with logged(Output().console(), quiet=True, verbose=0, path=str(path)):
        log.info("one\nline")
        path.rename(folder / "log.1")
        log.warning("two")
        log.debug("not asked for")
        (folder / "log.1").rename(tmp_path / "log.1")
        path.rename(tmp_path / "log.2")
        folder.rmdir()
        log.error("three")
        log.error("four")
        assert capsys.readouterr().err.count("can't be written, and the work goes on") == 1
        folder.mkdir()
        log.error("five")
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.fullmatch(rf"{stamp} INFO rxcandles.test: one.*line\n", (tmp_path / "log.1").read_text())
    assert re.fullmatch(rf"{stamp} WARNING rxcandles.test: two\n", (tmp_path / "log.2").read_text())
    assert path.read_text().endswith("rxcandles.test: five\n")
    assert capsys.readouterr().err == ""
    with (
        pytest.raises(RequestError, match="the log can't be written to"),
        logged(Output().console(), quiet=True, verbose=0, path=str(tmp_path)),
    ):
        pass


def _check(url: str) -> str:
    """The check of the compose file, for another port."""
    compose = Path(__file__).parents[1] / "examples" / "compose.yaml"
    (line,) = re.findall(r"^ +test: (\[.*\])$", compose.read_text(encoding="utf-8"), re.M)
    return str(json.loads(line)[-1]).replace("http://127.0.0.1:9109/health", url)


def test_a_reader_that_sleeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody reads stdout, which is full: collecting goes on, health says so, and SIGTERM ends it with exit code 0."""
    words = ("KRW-BTC", "1m", "--since", f"{datetime.now(UTC) - timedelta(days=5):%Y-%m-%d}", "--health", "0", "-v")
    with command("follow", *words, *SIMULATED, "--log-file", "log", cwd=tmp_path) as process:
        assert process.stderr is not None
        url = ""
        while not (line := process.stderr.readline()).endswith("KRW-BTC 1m: live\n"):
            assert line
            url = line.split()[-1] if line.startswith("health: ") else url
        with urllib.request.urlopen(url, timeout=10) as answer:
            told = json.load(answer)
        with urllib.request.urlopen(url.replace("/health", "/metrics"), timeout=10) as answer:
            slowest = re.search(r"^rxcandles_slowest_observer_seconds\S* (\S+)$", answer.read().decode(), re.M)
        (market,) = told["markets"]
        assert (told["ok"], market["state"]) == (True, "live")
        assert market["proven_lag"] < 180
        assert slowest is not None
        assert float(slowest[1]) > 86_400  # seconds of candles that wait for the reader, in the store
        exec(_check(url), {})  # raises if the answer is not 200
        taken = url.split(":")[2].split("/")[0]
        assert main(["follow", "KRW-BTC", "1m", "--health", taken, "--db", str(tmp_path / "other.db"), *SIMULATED]) == 2
        said = capsys.readouterr().err
        assert f"port {taken} is taken by another program; end it, or give another port" in said
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert "INFO rxcandles.follow: KRW-BTC 1m: live" in (tmp_path / "log").read_text()
