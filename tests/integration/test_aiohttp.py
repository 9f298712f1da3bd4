"""The client is the same whether or not aiohttp is installed, which the SDK would rather use."""

import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import pytest
from google.genai import _api_client

from tests.integration.asking_gemini import asked, gemini
from tests.standin import steps
from tests.standin.running import Standin

TABLE = "tests/integration/test_call_classes.py"
# What is None in `sys.modules` cannot be imported.
WITHOUT = (
    "import sys; sys.modules['aiohttp'] = None; import pytest; sys.exit(pytest.main(sys.argv[1:]))"
)


async def test_an_installed_aiohttp_is_not_used(standin: Standin) -> None:
    """It brings other time-outs, and a hidden retry that can be billed twice."""
    assert _api_client.has_aiohttp, "or this test, and the table beside it, show nothing"
    standin.says(steps.text("fine"))
    async with aclosing(gemini(standin.url)) as model:
        await model.generate(asked())
    [request] = standin.requests
    assert request.headers["user-agent"].startswith("google-genai-sdk")
    assert "aiohttp" not in str(request.headers)
    assert not model._client._api_client._aiohttp_sessions


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_ending_means_the_same_where_there_is_no_aiohttp(repository: Path) -> None:
    """The tests run with it, and most people without: one table must hold for both."""
    words = [sys.executable, "-c", WITHOUT, TABLE, "-q", "-k", "taken_for_what_it_is"]
    done = subprocess.run(words, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
