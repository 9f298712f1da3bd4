"""Asks a running worker how it is, without loading what a worker is made of."""

from http.client import HTTPConnection, HTTPException

from jobs.errors import UsageError

from .errors import NotReadyError

_SECONDS = 10.0


def ask_whether_ready(address: str | None) -> None:
    """Return if the worker that answers at HOST:PORT takes jobs.

    Raises:
        UsageError: no address is set.
        NotReadyError: it takes none, or nobody answers.
    """
    if address is None:
        raise UsageError(
            "no address is set at which a worker could be asked",
            fixes=[
                "set one, for the worker and for this:  PROMPTMILL_WORKER__LISTEN=127.0.0.1:9464"
            ],
        )
    host, _, port = address.rpartition(":")
    connection = HTTPConnection(host, int(port), timeout=_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        told = answer.read().decode("utf-8", "replace").strip()
    except (OSError, HTTPException) as error:
        raise NotReadyError(
            f"no worker answers at {address}: {error}", fixes=["start one:  promptmill worker"]
        ) from None
    finally:
        connection.close()
    if answer.status != 200:
        raise NotReadyError(f"the worker at {address} takes no jobs: {told}")
