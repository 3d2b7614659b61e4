"""A headless Chromium, spoken to in its own protocol (CDP) over two pipes: no port, no driver.

    browser    one process with a profile of its own, in a folder that goes away
    | page     a window of a given width and colours, which sees no other page's past
    | heard    what the browser told: requests, messages of the console, dialogs
    | asked    what stands on the page by now

A message is one JSON document, its end a zero byte. Who sends one reads until its answer, and keeps what is
told in between.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Scheme = Literal["light", "dark"]
Told = dict[str, Any]
"""A message of the browser, as it came."""

_PATIENCE: Final = 60
"""Seconds for one answer, or for one page to load: beside thousands of other tests it can be long."""
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_SWITCHES: Final = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--no-proxy-server",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-features=MediaRouter,OptimizationHints,Translate",
    "--disable-gpu",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--metrics-recording-only",
    "--password-store=basic",
    "--use-mock-keychain",
)
_REDIRECTED: Final = 'exec "$@" 3<&0 4>&1 0</dev/null 1>&2'
"""It takes messages at 3 and answers at 4."""
_DIALOG: Final = "Page.javascriptDialogOpening"
_KEYS: Final = {"Tab": (9, ""), "Enter": (13, "\r"), "Escape": (27, ""), " ": (32, " ")}
"""Keys that are no letters: their code, and the text that they make."""


class BrowserError(Exception):
    """The browser has ended, does not answer, or cannot do what it was asked for."""


def chromium() -> str | None:
    """Return the path of a Chromium, or None where this machine has none."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


class Browser:
    """One process, and the pipes to it."""

    def __init__(self, program: str, folder: Path) -> None:
        """Start it with `folder` as its home."""
        self._log = folder / "chromium.log"
        switches = [*_SWITCHES, f"--user-data-dir={folder / 'profile'}"]
        if os.geteuid() == 0:
            switches.append("--no-sandbox")  # it refuses to run as root with one
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _REDIRECTED, "sh", program, *switches],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                env=os.environ | {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "TZ": "UTC"},
                start_new_session=True,
            )
        assert self._process.stdin
        assert self._process.stdout
        self._out, self._in = self._process.stdin, self._process.stdout
        self._rest = b""
        self._asked = 0
        self._heard: dict[str, list[Told]] = {}
        """What is told of each page, by the page's session."""

    def ask(self, method: str, session: str | None = None, **given: object) -> Told:
        """Let it do something, and return its answer. Raise `BrowserError` if it cannot."""
        number = self._send(method, session, given)
        end = time.monotonic() + _PATIENCE
        while (answer := self._next(end, method)).get("id") != number:
            pass
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        result: Told = answer["result"]
        return result

    def _send(self, method: str, session: str | None, given: Told) -> int:
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": given}
        if session:
            message["sessionId"] = session
        try:
            self._out.write(json.dumps(message).encode() + b"\0")
        except OSError as error:
            raise BrowserError(f"it has ended: {self._last_words()}") from error
        return self._asked

    def heard(self, session: str) -> list[Told]:
        """Return what was told of a page so far, the oldest first; it grows."""
        return self._heard.setdefault(session, [])

    def hear(self, end: float, what: str) -> None:
        """Take one more message, until `end` by the monotonic clock. Raise `BrowserError` if none comes."""
        self._next(end, what)

    def _next(self, end: float, what: str) -> Told:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise BrowserError(f"{what}: nothing came for too long")
            data = os.read(self._in.fileno(), 1 << 20)
            if not data:
                raise BrowserError(f"{what}: it has ended: {self._last_words()}")
            self._rest += data
        first, _, self._rest = self._rest.partition(b"\0")
        message: Told = json.loads(first)
        if "id" not in message:
            session = message.get("sessionId", "")
            self.heard(session).append(message)
            if message["method"] == _DIALOG:  # nothing goes on before it is closed
                self._send("Page.handleJavaScriptDialog", session, {"accept": False})
        return message

    def _last_words(self) -> str:
        return self._log.read_text("utf-8", "replace")[-500:]

    def close(self) -> None:
        """End it, and all that it has started."""
        with suppress(BrowserError):
            self.ask("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._out.close()
        self._in.close()

    @contextmanager
    def page(self, width: int = 1280, scheme: Scheme = "light", height: int = 900) -> Iterator[Page]:
        """Give a page so many CSS pixels wide, without another one's past. Below 700 it is a phone's."""
        context = self.ask("Target.createBrowserContext")["browserContextId"]
        try:
            target = self.ask("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
            session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            page = Page(self, session)
            page.begin(width, height, scheme)
            yield page
        finally:
            self.ask("Target.disposeBrowserContext", browserContextId=context)


class Page:
    """A window, and what became of it."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def ask(self, method: str, **given: object) -> Told:
        """Let the browser do something with this page."""
        return self._browser.ask(method, self._session, **given)

    def begin(self, width: int, height: int, scheme: Scheme) -> None:
        """Set its size and colours, and listen from before the first request on."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        self.resize(width, height)
        self.show(scheme=scheme)

    def resize(self, width: int, height: int = 900) -> None:
        """Make it so many CSS pixels wide; below 700 it is a phone's."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 700,
        )

    def show(self, scheme: Scheme = "light", media: str = "screen") -> None:
        """Show it in other colours, or as it would be printed (`print`)."""
        self.ask(
            "Emulation.setEmulatedMedia",
            media=media,
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    # --- going somewhere ---

    def open(self, url: str) -> None:
        """Open an address, and wait until all of it is there."""
        with self.loading():
            answer = self.ask("Page.navigate", url=url)
            if "errorText" in answer:
                raise BrowserError(f"{url}: {answer['errorText']}")

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Do what is inside, and wait until the page that it leads to is there and drawn."""
        heard = self._browser.heard(self._session)
        before = len(heard)
        yield
        end = time.monotonic() + _PATIENCE
        while not any(told["method"] == "Page.loadEventFired" for told in heard[before:]):
            self._browser.hear(end, "loading")
        self.settle()

    def settle(self) -> None:
        """Wait until what was done shows."""
        self.js("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")

    # --- what it did ---

    @property
    def requests(self) -> list[str]:
        """The addresses it asked for, its own included, those that were refused too."""
        return [
            told["params"]["request"]["url"]
            for told in self._browser.heard(self._session)
            if told["method"] == "Network.requestWillBeSent"
        ]

    @property
    def statuses(self) -> list[int]:
        """The HTTP statuses of what it got."""
        return [
            told["params"]["response"]["status"]
            for told in self._browser.heard(self._session)
            if told["method"] == "Network.responseReceived"
            and told["params"]["response"]["url"].startswith("http")
        ]

    @property
    def messages(self) -> list[str]:
        """What stands in the console, exceptions and broken rules included, and dialogs that were opened."""
        return [
            json.dumps(told["params"])
            for told in self._browser.heard(self._session)
            if told["method"]
            in {
                "Runtime.consoleAPICalled",
                "Runtime.exceptionThrown",
                "Log.entryAdded",
                _DIALOG,
            }
        ]

    # --- what stands on it ---

    def js(self, expression: str) -> Any:
        """Return the value of an expression, if a promise what it comes to.

        The page's own rules do not hold for it: it comes from the driver, as from a developer's console.
        """
        answer = self.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, timeout=50_000
        )
        if "exceptionDetails" in answer:
            raise BrowserError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    @property
    def text(self) -> str:
        """All that can be read on it, in one line."""
        return " ".join(str(self.js("document.body.innerText")).split())

    # --- hands ---

    def press(self, key: str) -> None:
        """Press a key and let it go: a letter or a sign, or `Tab`, `Enter`, `Escape`."""
        code, text = _KEYS.get(key, (ord(key.upper()[0]) if key.isalnum() else 0, key))
        named = {"key": key, "windowsVirtualKeyCode": code, "nativeVirtualKeyCode": code}
        self.ask("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **named)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **named)

    def type(self, text: str) -> None:
        """Press the keys of a text, one by one."""
        for letter in text:
            self.press(letter)

    # --- pictures ---

    def picture(self, *, whole: bool = True) -> bytes:
        """Return it as PNG, by default from its top to its end, else as much as the window shows."""
        given: dict[str, object] = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
            given["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        return base64.b64decode(self.ask("Page.captureScreenshot", **given)["data"])

    def printed(self) -> bytes:
        """Return it as PDF, on A4."""
        answer = self.ask("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)
        return base64.b64decode(answer["data"])
