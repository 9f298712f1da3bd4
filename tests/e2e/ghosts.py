"""Workers that were there when a command began, and are not there any more."""

from jobs.keys import Keys
from jobs.languages import Language
from jobs.presence import WorkerPresence
from tests.waiting import wait_until

from .project import Ended, Project, Running

_LAST_BEAT_SECONDS = 60


def leave_a_ghost(project: Project, *languages: Language) -> None:
    """Let a worker that asks Gemini count as living, though there is none."""
    ghost = WorkerPresence(
        worker_id="ghost",
        model="gemini-3.8-flash",
        simulated=False,
        languages=(Language.PYTHON, *languages),
    )
    with project.client() as client:
        client.set(Keys().worker("ghost"), ghost.to_json(), ex=_LAST_BEAT_SECONDS)


async def forsaken(project: Project, command: Running) -> Ended:
    """Let the ghost fall silent once the command counts on it, and wait for the command's end."""
    with project.client() as client:
        await wait_until(
            lambda: any(other["cmd"] == "xread" for other in client.client_list()),
            30,
            "a command that follows its jobs",
        )
        client.delete(Keys().worker("ghost"))
    return command.ended()
