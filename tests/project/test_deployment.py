"""The unit of systemd and the compose file start what they say, and are asked what they are asked."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from rxcandles.cli.commands.follow import follow
from rxcandles.live.stats import FollowStats
from rxcandles.serve.health import Health
from rxcandles.serve.healthserver import HealthServer

EXAMPLES = Path(__file__).parents[1] / "examples"
UNIT = (EXAMPLES / "rxcandles.service").read_text(encoding="utf-8")
COMPOSE = (EXAMPLES / "compose.yaml").read_text(encoding="utf-8")


def setting(name: str) -> str:
    (found,) = re.findall(rf"^{name}=(.*)$", UNIT, re.M)
    return str(found)


def listed(name: str) -> list[str]:
    """A list of the compose file; lists in one line are JSON."""
    (found,) = re.findall(rf"^ +{name}: (\[.*\])$", COMPOSE, re.M)
    return list(json.loads(found))


def parsed(words: Sequence[str]) -> click.Context:
    """What our own command makes of a line."""
    program, command, *rest = words
    assert (program.rpartition("/")[2], command) == ("rxcandles", "follow")
    return follow.make_context("follow", [*rest])


@pytest.mark.parametrize("words", [shlex.split(setting("ExecStart")), listed("command")], ids=["systemd", "compose"])
def test_what_is_started(words: Sequence[str]) -> None:
    """Both follow a file of jobs, print nothing, and answer at a port."""
    asked = parsed(words).params
    assert asked["words"] == ("/etc/rxcandles/jobs.toml",)
    assert (asked["style"], asked["health"]) == ("none", 9109)
    assert asked["db"].endswith("/candles.db")


def test_signals_of_the_unit() -> None:
    """It is reloaded by SIGHUP, ended by SIGTERM, and started again after a failure."""
    assert setting("ExecReload").endswith("kill -HUP $MAINPID")
    assert (setting("Type"), setting("KillSignal"), setting("Restart")) == ("exec", "SIGTERM", "on-failure")
    assert 5 <= int(setting("TimeoutStopSec")) <= 30
    assert setting("WorkingDirectory") == f"/var/lib/{setting('StateDirectory')}"
    assert f"--db {setting('WorkingDirectory')}/" in setting("ExecStart")  # the only folder that stays writable


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """It has no word about it, once the program is where it is said to be."""
    unit = tmp_path / "rxcandles.service"
    unit.write_text(UNIT.replace(shlex.split(setting("ExecStart"))[0], sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_compose_is_yaml() -> None:
    """A reader of YAML finds the same lists, and a store that outlives the container."""
    yaml = pytest.importorskip("yaml")
    found = yaml.safe_load(COMPOSE)
    service = found["services"]["follow"]
    assert service["command"] == listed("command")
    assert service["healthcheck"]["test"] == listed("test")
    folders = dict(each.split(":")[:2] for each in service["volumes"])
    assert folders["data"] == str(Path(parsed(service["command"]).params["db"]).parent)
    assert "data" in found["volumes"]


@pytest.mark.parametrize("well", [True, False])
async def test_the_check_of_compose(well: bool) -> None:
    """Its program ends with 0 if all is well, with another code if not, and if nobody answers."""
    stats = FollowStats([], {}, None, None, None, {}, 0, None, 0, 0)
    kind, python, *words = listed("test")
    assert (kind, python) == ("CMD", "python")
    async with HealthServer(lambda: Health("simulated", {"1m": stats}, [] if well else ["late"]), 0) as server:
        port = server.url.split(":")[2].split("/")[0]
        mine = [each.replace(str(9109), port) for each in words]
        process = await asyncio.create_subprocess_exec(sys.executable, *mine, stderr=subprocess.PIPE)
        _, said = await process.communicate()
    assert (process.returncode == 0) is well, said
