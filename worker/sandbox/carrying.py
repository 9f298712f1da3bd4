"""One plan in one slot: its pipes, its start, its end."""

import asyncio
import os

from jobs.models import Execution

from .pipes import Plumbing
from .plan import Plan
from .reading import execution_of
from .slot import Ended, Slot, SlotLostError

_KIB = 1024
# What a zygote may take beyond the program's wall time, to bury a large tree.
_GRACE_SECONDS = 10.0


async def carry_out(plan: Plan, slot: Slot) -> Execution:
    """Run it in this slot.

    Raises:
        SlotLostError: the slot is not to be used again, and the program may be.
        SandboxError: neither is.
    """
    plumbing = plumbing_of(plan)
    try:
        start(plan, slot, plumbing)
        ended = await end_of(plan, slot)
        plumbing.read_what_is_left()
    finally:
        plumbing.close()
    return execution_of(plan, plumbing, ended)


def plumbing_of(plan: Plan) -> Plumbing:
    """The pipes of one run, to be closed by the caller."""
    return Plumbing(plan.stdin, plan.question, plan.limits.output_kib * _KIB)


def start(plan: Plan, slot: Slot, plumbing: Plumbing, besides: tuple[int, ...] = ()) -> None:
    """Start it. The program has the plumbing's ends as its first descriptors, and those `besides` as the next."""
    ends = plumbing.ends_for_the_program
    if slot.uid >= 0:
        # Or opening /dev/stdout would be refused to the program.
        for descriptor in ends:
            os.fchown(descriptor, slot.uid, slot.uid)
    send(plan, slot, (*ends, *besides))
    plumbing.start(slot.stop)


def send(plan: Plan, slot: Slot, descriptors: tuple[int, ...]) -> None:
    """Have the slot start it with these descriptors, of which the caller keeps its own.

    Raises:
        SlotLostError: the slot died.
    """
    contents = plan.write_contents()
    try:
        slot.start(plan.request, (*descriptors, contents))
    finally:
        os.close(contents)


async def end_of(plan: Plan, slot: Slot) -> Ended:
    """Wait for its end.

    Raises:
        SlotLostError: it did not come in time, or the slot died.
        SandboxError: the program could not be started.
    """
    seconds = plan.request.wall_seconds + _GRACE_SECONDS
    try:
        async with asyncio.timeout(seconds):
            return await slot.report()
    except TimeoutError as error:
        raise SlotLostError(f"no report within {seconds:g} s") from error
