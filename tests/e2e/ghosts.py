"""Workers that are not there any more."""

from jobs.keys import Keys
from jobs.languages import Language
from jobs.presence import WorkerPresence

from .project import Project

_LAST_BEAT_SECONDS = 4


def leave_a_ghost(project: Project, *languages: Language) -> None:
    """Let a worker that asks Gemini count as living for some seconds, though it is not there any more."""
    ghost = WorkerPresence(
        worker_id="ghost",
        model="gemini-3.8-flash",
        simulated=False,
        languages=(Language.PYTHON, *languages),
    )
    with project.client() as client:
        client.set(Keys().worker("ghost"), ghost.to_json(), ex=_LAST_BEAT_SECONDS)
