"""A browser without a window, driven by its own protocol through two pipes: a page as a reader sees it."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from tests.requiring import require

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# It reads commands from descriptor 3 and writes answers to 4.
_START = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
)


class Page:
    """A page that is open, and everything that it did: what it asked for, said, and wanted of its reader."""

    def __init__(self, commands: BinaryIO, answers: BinaryIO) -> None:
        self.requests: list[str] = []
        """Every address that was asked for, the page's own among them."""
        self.complaints: list[str] = []
        """Errors, whatever the page's own policy has refused among them."""
        self.dialogs: list[str] = []
        self._commands, self._answers = commands, answers
        self._session: str | None = None
        self._n_sent = 0
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def open(self, file: Path) -> None:
        """Open a file of this machine, and return when all of it is there."""
        self._ask("Page.navigate", url=file.as_uri())
        self.until("document.readyState === 'complete'")

    def tell(self, script: str) -> Any:
        """What an expression of JavaScript comes to in the page; one that is a promise is waited for."""
        found = self._ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, condition: str) -> None:
        """Return as soon as an expression is true of the page, looked at before each of its frames."""
        script = f"""new Promise((done, failed) => {{
            const last = performance.now() + 20000;
            const look = () => ({condition}) ? done(true)
                : performance.now() > last ? failed(new Error("never")) : setTimeout(look, 20);
            look();
        }})"""
        assert self.tell(script), condition

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        codes = {"Enter": 13, "Tab": 9, "ArrowDown": 40, "ArrowUp": 38}
        typed = {"text": "\r"} if key == "Enter" else {}
        known = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        self._ask("Input.dispatchKeyEvent", type="keyDown", **known, **typed)
        self._ask("Input.dispatchKeyEvent", type="keyUp", **known)

    def type(self, words: str) -> None:
        """Type into whatever has the focus."""
        self._ask("Input.insertText", text=words)

    def look(self, width: int, height: int, *, dark: bool = False, full: bool = False) -> bytes:
        """A picture of it in a window of that size, as PNG; full is of all of it."""
        self.resize(width, height, dark=dark)
        taken = self._ask("Page.captureScreenshot", captureBeyondViewport=full)
        return base64.b64decode(taken["data"])

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """Show it in a window of that size, to a reader who likes it dark or light."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._ask("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])

    def printed(self) -> bytes:
        """It as it would be printed, as PDF."""
        return base64.b64decode(self._ask("Page.printToPDF", printBackground=False)["data"])

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._n_sent += 1
        message = {"id": self._n_sent, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        self._commands.flush()
        while True:
            said = self._next()
            if said.get("id") == self._n_sent:
                assert "error" not in said, f"{method}: {said['error']}"
                result: dict[str, Any] = said["result"]
                return result
            self._notice(said.get("method", ""), said.get("params", {}))

    def _next(self) -> dict[str, Any]:
        raw = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser has gone"
            raw += byte
        message: dict[str, Any] = json.loads(raw)
        return message

    def _notice(self, event: str, facts: dict[str, Any]) -> None:
        match event:
            case "Network.requestWillBeSent":
                self.requests.append(facts["request"]["url"])
            case "Page.javascriptDialogOpening":
                self.dialogs.append(facts["message"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(facts["exceptionDetails"]))
            case "Log.entryAdded" if facts["entry"]["level"] == "error":
                self.complaints.append(facts["entry"]["text"])
            case _:
                pass


@contextmanager
def a_page() -> Iterator[Page]:
    """A browser of its own with an empty page; the test is skipped by name where there is none."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    require("Chromium", available=found is not None)
    flags = [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        starting = [sys.executable, "-c", _START, str(theirs_in), str(theirs_out), str(found)]
        browser = subprocess.Popen(
            [*starting, *flags, f"--user-data-dir={folder}"],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": folder},
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            with os.fdopen(ours_out, "wb") as commands, os.fdopen(ours_in, "rb") as answers:
                yield Page(commands, answers)
        finally:
            browser.kill()
            browser.wait()
