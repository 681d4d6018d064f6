"""What the programs share: a simulator in a process of its own, and runs in fresh processes with their peak memory."""

from __future__ import annotations

import inspect
import json
import os
import platform
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["heap_mb", "machine", "measured", "run_program", "simulator", "table"]


@contextmanager
def simulator(*words: str) -> Iterator[str]:
    """Run ``rxcandles simulate`` in a process of its own; yields its address."""
    command = [sys.executable, "-m", "rxcandles", "simulate", "--port", "0", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.terminate()


def measured(function: Callable[..., Any], *arguments: object) -> dict[str, Any]:
    """Run ``await function(*arguments)`` in a fresh process; return its dict with seconds, CPU seconds and peak RSS.

    The function is sent as source, so it must import what it uses.
    """
    return run_program([sys.executable, "-c"], function, *arguments)


def run_program(command: Sequence[str], function: Callable[..., Any], *arguments: object) -> dict[str, Any]:
    """Do what :func:`measured` does by another ``command``, to which the program's text is added."""
    program = (
        "from __future__ import annotations\n"
        + textwrap.dedent(inspect.getsource(function))
        + textwrap.dedent(
            f"""
        import asyncio, json, resource, sys, time
        began = time.perf_counter()
        result = asyncio.run({function.__name__}(*json.loads(sys.argv[1]))) or {{}}
        usage = resource.getrusage(resource.RUSAGE_SELF)
        result.setdefault("seconds", time.perf_counter() - began)
        result["cpu"] = usage.ru_utime + usage.ru_stime
        result["rss_mb"] = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
        print("\\n" + json.dumps(result), flush=True)
        """
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*command, program, json.dumps(arguments)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    # A tool that runs the program may print lines of its own.
    return dict(json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1]))


def heap_mb(function: Callable[..., Any], *arguments: object) -> float | None:
    """Run ``await function(*arguments)`` under memray; return the most that its heap held, or None without memray."""
    if find_spec("memray") is None:
        return None
    from memray import FileReader

    with tempfile.TemporaryDirectory() as folder:
        trace = str(Path(folder, "heap.bin"))
        memray = [sys.executable, "-m", "memray", "run", "--quiet", "--aggregate", "-o", trace, "-c"]
        run_program(memray, function, *arguments)
        reader = FileReader(trace)
        try:
            return float(reader.metadata.peak_memory / 1e6)
        finally:
            reader.close()


def table(title: str, rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as a Markdown table under a title."""
    names = list(rows[0])
    cells = [[_text(row.get(name, "")) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[at]) for line in cells)) for at, name in enumerate(names)]
    lines = [names, ["-" * width for width in widths], *cells]
    return "\n".join(
        [
            title,
            "",
            *(
                "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
                for line in lines
            ),
        ]
    )


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}" if value < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def machine() -> str:
    """Say where this was measured: processor count, Python, system, commit, date."""
    from datetime import UTC, datetime

    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {platform.system()}, "
        f"commit {commit.stdout.strip() or 'unknown'}, {datetime.now(UTC):%Y-%m-%d}"
    )
