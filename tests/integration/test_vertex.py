"""Vertex AI over the real SDK and real HTTP: the same client, other paths, and the machine's own credentials."""

import json
from contextlib import aclosing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from jobs.errors import UsageError
from tests.integration.asking_gemini import FINE, asked, gemini
from tests.standin.running import Standin
from worker.errors import CredentialsError
from worker.model.gemini import GeminiModel
from worker.model.options import GeminiOptions


@pytest.fixture
def credentials(standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A service account whose tokens the stand-in gives out, where Google's libraries look for one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "project_id": "somebody-elses",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "worker@somebody-elses.test",
        "client_id": "1",
        "token_uri": f"{standin.url}/token",
    }
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return path


def damage(path: Path, content: str | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_text(content)


def vertex(standin: Standin, location: str = "europe-west4") -> GeminiModel:
    return gemini(standin.url, api_key=None, vertex=True, project="mill", location=location)


@pytest.mark.usefixtures("credentials")
async def test_a_project_is_asked_with_the_machines_own_credentials(standin: Standin) -> None:
    """Who runs on Google Cloud has no key to hand out, and is billed by project."""
    standin.says(FINE)
    async with aclosing(vertex(standin)) as model:
        await model.check()
        reply = await model.generate(asked())
        listed = await model.models()
    assert (reply.text, reply.model_version) == ("fine", "gemini-3.8-flash")
    assert [model.name for model in listed] == ["gemini-3.8-flash", "gemini-3.1-pro-preview"]
    of_project = "/v1beta1/projects/mill/locations/europe-west4/publishers/google/models"
    assert [request.path for request in standin.requests] == [
        f"{of_project}/gemini-3.8-flash:generateContent"
    ]
    assert all(request.key_matched for request in standin.log())


@pytest.mark.usefixtures("credentials")
async def test_no_variable_of_the_environment_chooses_another_backend(
    standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stray key or project in a worker's environment would bill somebody else."""
    monkeypatch.setenv("GOOGLE_API_KEY", "somebody-elses-key")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "another")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "us-east1")
    monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", "http://127.0.0.1:9/")
    standin.says(FINE)
    async with aclosing(vertex(standin)) as model:
        await model.generate(asked())
    [request] = standin.requests
    assert "/projects/mill/locations/europe-west4/" in request.path
    assert "x-goog-api-key" not in request.headers


@pytest.mark.parametrize("content", ["{}", "no JSON", None], ids=["no account", "damaged", "gone"])
async def test_credentials_that_cannot_be_used_are_a_refusal(
    standin: Standin, credentials: Path, content: str | None
) -> None:
    """Every job would meet the same, and a person has to mend it."""
    damage(credentials, content)
    async with aclosing(vertex(standin)) as model:
        with pytest.raises(CredentialsError) as caught:
            await model.check()
    assert caught.value.kind == "model-credentials-refused", "there is no key to mend"
    assert caught.value.message == "Vertex AI refused the credentials"
    assert caught.value.facts["project"] == "mill in europe-west4"
    assert "gcloud auth" in " ".join(caught.value.fixes)
    assert not standin.requests


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"vertex": True}, ["model.project", "model.location", "not set"]),
        ({"vertex": True, "project": "p"}, ["model.location", "not set"]),
        ({"vertex": True, "location": "global"}, ["model.project", "not set"]),
        ({"project": "p"}, ["model.project", "model.backend is gemini"]),
        ({"project": "p", "location": "l"}, ["model.project", "model.location"]),
    ],
    ids=str,
)
def test_half_a_setting_is_refused(given: dict[str, str | bool], words: list[str]) -> None:
    """Guessing the other half would ask, and bill, somewhere that nobody meant."""
    options = GeminiOptions(name="m", api_key="a-key", **given)  # type: ignore[arg-type]
    with pytest.raises(UsageError) as caught:
        options.check_backend()
    assert all(word in caught.value.message for word in words)
    assert caught.value.fixes


@pytest.mark.parametrize(
    ("location", "address"),
    [
        ("global", "https://aiplatform.googleapis.com/"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com/"),
        ("europe-west4", "https://europe-west4-aiplatform.googleapis.com/"),
    ],
)
def test_each_location_has_its_own_address(location: str, address: str) -> None:
    """Data that must stay in a region goes to that region's address and to no other."""
    options = GeminiOptions(name="m", vertex=True, project="p", location=location)
    assert (options.address, options.version) == (address, "v1beta1")
