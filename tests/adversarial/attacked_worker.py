"""A worker of its own process and account, with secrets around it: `python -m tests.adversarial.attacked_worker`."""

import asyncio
import sys
from typing import cast

from worker.sandbox import Files, Harness, Profile, SandboxError, ZygoteSandbox
from worker.sandbox.opening import probe
from worker.sandbox.slot import LayerRefused

from .asking import Answered, Asked, Opened


def _say(answer: Opened | Answered) -> None:
    sys.stdout.write(answer.to_json() + "\n")
    sys.stdout.flush()


async def _run(sandbox: ZygoteSandbox, asked: Asked) -> Answered:
    try:
        execution = await sandbox.run(
            asked.code,
            asked.limits,
            stdin=asked.stdin,
            harness=Harness(tests=asked.tests, calls=asked.calls),
            files=Files(
                most_collected=asked.most_collected, most_collected_kib=asked.most_collected_kib
            ),
        )
    except SandboxError as error:
        return Answered(execution=None, failed=f"{error.message} {error.facts}")
    return Answered(execution=execution)


async def _serve(profile: Profile) -> None:
    try:
        sandbox = await probe(profile)
    except LayerRefused as refused:
        _say(Opened(isolation=None, refused=str(refused)))
        return
    async with sandbox:
        _say(Opened(isolation=sandbox.isolation))
        # Nothing else runs on this loop: to wait in a read is to wait for the next program.
        for line in sys.stdin:
            _say(await _run(sandbox, Asked.model_validate_json(line)))


if __name__ == "__main__":
    asyncio.run(_serve(cast("Profile", sys.argv[1])))
