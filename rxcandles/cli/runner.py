"""Run the asynchronous work of a command: a signal cancels it, and its end does not wait for threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from rxcandles.util.stopping import STOPPING

__all__ = ["Interrupted", "run_async", "threads_left"]

_A = TypeVar("_A")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or another signal has ended the work; the text says what was done."""


def run_async(work: Coroutine[Any, Any, _A], stopped: Callable[[], str] = lambda: "stopped") -> _A:
    """Run a coroutine like ``asyncio.run``; raise :class:`Interrupted` with ``stopped()`` if a signal cancelled it.

    If ``STOPPING`` does not handle signals (inside another program), Ctrl-C works as it does there.
    """
    try:
        with asyncio.Runner() as runner:
            result = runner.run(_cancellable(work, stopped))
    except KeyboardInterrupt:
        raise Interrupted(stopped()) from None
    except BaseException:
        if STOPPING.number is None:
            raise
    finally:
        STOPPING.cancels_no_more()
    if STOPPING.number is not None:
        raise Interrupted(stopped())
    return result


def threads_left() -> bool:
    """Whether threads are running that Python would wait for at exit."""
    return any(not each.daemon for each in threading.enumerate() if each is not threading.main_thread())


async def _cancellable(work: Coroutine[Any, Any, _A], stopped: Callable[[], str]) -> _A:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    loop.set_default_executor(_NotWaitedFor())
    if task is not None and STOPPING.listening:
        STOPPING.cancels(lambda: _wake(loop, task), stopped)
    return await work


def _wake(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)


class _NotWaitedFor(ThreadPoolExecutor):
    """An executor that is not waited for at the end: resolving a host name may take minutes.

    Work that matters is awaited by the code that started it.
    """

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more work, and do not wait."""
        super().shutdown(wait=False, cancel_futures=cancel_futures)
