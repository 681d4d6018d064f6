"""Running a command's asynchronous work: a signal cancels it, and no thread is waited for in the end."""

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
    """Ctrl-C or another signal that ends the process, with what is to be said about it."""


def run_async(work: Coroutine[Any, Any, _A], stopped: Callable[[], str] = lambda: "stopped") -> _A:
    """Do what ``asyncio.run`` does; raise :class:`Interrupted` with ``stopped()`` where a signal has cancelled it.

    Where signals don't come to ``STOPPING`` (this is called in another program), Ctrl-C does what it does there.
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
    """Whether threads still run that Python would wait for at its end."""
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
    """Threads whose work matters are waited for by who started it; a name may take minutes to resolve."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work, and wait for none."""
        super().shutdown(wait=False, cancel_futures=cancel_futures)
