"""Certificates of an authority that nobody knows, made anew for tests."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.requiring import require


@dataclass(frozen=True)
class Certificates:
    """What one authority has signed, as files."""

    authority: Path
    server: Path
    client: Path
    """Certificate and key in one, as they are often handed out."""


def make_certificates(folder: Path) -> Certificates:
    """Of a server that is called `localhost` and nothing else."""
    require("openssl", available=shutil.which("openssl") is not None)
    authority = _certificate(folder, "authority")
    server = _certificate(folder, "server", "-addext", "subjectAltName=DNS:localhost")
    return Certificates(authority, server, _certificate(folder, "client"))


def _certificate(folder: Path, name: str, *more: str) -> Path:
    file, key = folder / f"{name}.pem", folder / f"{name}.key"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += [
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={name}",
        "-keyout",
        str(key),
        "-out",
        str(file),
    ]
    if name != "authority":
        signer = ["-CA", str(folder / "authority.pem"), "-CAkey", str(folder / "authority.key")]
        words += [*signer, "-addext", "basicConstraints=critical,CA:FALSE", *more]
    subprocess.run(words, check=True, capture_output=True)
    if name != "authority":
        file.write_text(file.read_text() + key.read_text())
    return file
