"""Queue one prompt from a script and wait for its record."""

import asyncio

from jobs import Case, JobQueue, MatchesOutput, PromptJob


async def main() -> None:
    """Ask for the first 20 primes, and check what the program prints."""
    primes = "2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59 61 67 71"
    async with JobQueue() as queue:
        job = PromptJob(
            prompt="Print the first 20 primes, separated by spaces.",
            checker=MatchesOutput(cases=(Case(expect=primes),), public=True),
        )
        handle = await queue.submit(job)
        async with asyncio.timeout(120):
            record = await handle.record()
    print(record.verdict, record.solved_at, record.output)


asyncio.run(main())
