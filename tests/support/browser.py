"""A headless Chromium, driven by its DevTools protocol: what a page does, as its user sees it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import threading
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import aiohttp

__all__ = ["Page", "chromium", "find_chromium", "opened"]

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage", "--mute-audio",
    "--remote-debugging-port=0",
)  # fmt: skip
_PATIENCE: Final = 60.0
"""Seconds for any answer of the browser's."""


def find_chromium() -> str | None:
    """Return the path of this machine's Chromium or Chrome, None where it has none."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def chromium(executable: str) -> Iterator[str]:
    """Run a browser with a fresh profile; yields the address of its DevTools."""
    with tempfile.TemporaryDirectory(prefix="rxcandles-", ignore_cleanup_errors=True) as profile:
        command = [executable, *_ARGUMENTS, f"--user-data-dir={profile}", "about:blank"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            reader = threading.Thread(target=process.stderr.read, daemon=True)
            try:
                for line in process.stderr:
                    found = re.search(r"DevTools listening on ws://([^/]+)/", line)
                    if found:
                        break
                else:
                    raise RuntimeError(f"{executable} ended before it listened")
                # It would wait for a reader of what it complains about.
                reader.start()
                yield f"http://{found[1]}"
            finally:
                process.terminate()
                process.wait()
                if reader.ident is not None:
                    reader.join()


class Page:
    """One tab; ``trouble`` is what its console complained about, ``requests`` every address it asked for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._loaded = False
        self.address = ""
        self.trouble: list[str] = []
        self.requests: list[str] = []

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Return the browser's answer to one command; events that come before it are noted."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = await self._next()
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return dict(message["result"])

    async def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = await self._socket.receive_json(timeout=_PATIENCE)
        name, told = message.get("method"), message.get("params", {})
        if name == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.trouble.append(details.get("exception", {}).get("description", details["text"]))
        elif name == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.trouble.append(" ".join(str(each.get("value", each)) for each in told["args"]))
        elif name == "Log.entryAdded":
            self.trouble.append(told["entry"]["text"])
        elif name == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif name == "Page.loadEventFired":
            self._loaded = True
        return message

    async def open(
        self,
        address: str,
        *,
        width: int = 1200,
        height: int = 700,
        dark: bool = False,
        scale: float = 1,
        ready: str = "rxcandles.range",
    ) -> None:
        """Show a page in a window of that size (``scale`` device pixels each), and wait until it is ``ready``."""
        self.address = address
        for room in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{room}.enable")
        await self.resize(width, height, scale)
        await self.theme(dark)
        await self._load("navigate", ready, url=address)

    async def reload(self, ready: str) -> None:
        """Open the page anew, as it is, and wait until it is ready."""
        await self._load("reload", ready)

    async def _load(self, how: str, ready: str, **parameters: object) -> None:
        self._loaded = False
        await self.call(f"Page.{how}", **parameters)
        while not self._loaded:
            await self._next()
        await self.until(f"window.rxcandles && {ready}")
        await self.drawn()

    async def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        look = f"const look = () => ({condition}) ? done() : requestAnimationFrame(look)"
        await self.evaluate(f"new Promise((done) => {{ {look}; look(); }})")

    async def resize(self, width: int, height: int, scale: float = 1) -> None:
        """Give the window another size, in pixels of ``scale`` device pixels each."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", **size)

    async def theme(self, dark: bool) -> None:
        """Prefer a dark or a light colour scheme."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, awaited where it is a promise."""
        answer = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, timeout=_PATIENCE * 1000
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    async def drawn(self) -> None:
        """Wait until everything that has been asked for is on the screen."""
        await self.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() =>"
            " requestAnimationFrame(done))))"
        )

    async def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """Send one event: ``Moved``, ``Pressed``, ``Released`` or ``Wheel``."""
        await self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, **more)

    async def drag(self, start: tuple[float, float], stop: tuple[float, float], steps: int = 5) -> None:
        """Drag with the left button."""
        left: dict[str, Any] = {"button": "left", "clickCount": 1}
        await self.mouse("Pressed", *start, **left, buttons=1)
        for step in range(1, steps + 1):
            x, y = (a + (b - a) * step / steps for a, b in zip(start, stop, strict=True))
            await self.mouse("Moved", x, y, button="left", buttons=1)
        await self.mouse("Released", *stop, **left)
        await self.drawn()

    async def press(self, key: str) -> None:
        """Press a key by its name, such as ``ArrowLeft`` or ``+``."""
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key)
        await self.drawn()

    async def picture(self) -> bytes:
        """Return what is on the screen as a PNG."""
        return b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])


@asynccontextmanager
async def opened(devtools: str) -> AsyncIterator[Page]:
    """Open a new tab in the browser at that address; it is closed in the end."""
    async with aiohttp.ClientSession() as session:
        async with session.put(f"{devtools}/json/new?about:blank") as answer:
            tab = await answer.json(content_type=None)
        async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            yield Page(socket)
        async with session.get(f"{devtools}/json/close/{tab['id']}"):
            pass
