"""`promptmill demo`: the built-in tour."""

from jobs.clock import new_id
from jobs.errors import ExitCode

from .evaluate import run_and_report
from .flags import NO_LANE_FLAGS, AsJson, read_settings
from .output import talk, talk_box


def demo(*, json: AsJson = False) -> int:
    """Solve 12 example tasks with recorded answers, on the embedded server.

    Queue, sandbox, limits, feedback, checks and records are real; only the model's words are recordings.

    Args:
        json: the report as JSON.
    """
    from jobs.connection import EMBEDDED_SCHEME
    from jobs.datasets.readers import demo_tasks

    from .batch import batch_of
    from .placing import place_of

    # The recorded programs ship with promptmill and were read, so any isolation will do for them; and neither a
    # configured Redis or store nor a worker with a key has any part in the tour.
    configured = read_settings().store
    records = configured.directory.absolute() / "records"
    settings = read_settings(
        quiet=True,
        overrides={
            "model.name": "replay",
            **({"store.url": records.as_uri()} if configured.url else {}),
            "redis.url": f"{EMBEDDED_SCHEME}{configured.directory}",
            "redis.prefix": "promptmill-demo",
            "sandbox.require": "rlimits",
        },
    )
    talk_box(
        "RECORDINGS, NOT A MODEL",
        [
            "The answers of this tour were recorded earlier and come with promptmill.",
            "The queue, the sandbox, limits, feedback, checks and records are real.",
            "Ask Gemini instead:  export GEMINI_API_KEY=...  and  promptmill eval FILE",
        ],
    )
    batch = batch_of(demo_tasks(), new_id("demo"), settings, place=place_of(NO_LANE_FLAGS))
    report = run_and_report(
        settings, batch, as_json=json, how_to_go_on="start again:  promptmill demo"
    )
    if not configured.url:
        talk("next     promptmill job list     promptmill job show ID     promptmill eval --help")
    return ExitCode.INCOMPLETE if report.unscored else ExitCode.OK
