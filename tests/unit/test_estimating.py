"""What a run would take is told before anything is paid, and what nobody knows is told as unknown."""

from pathlib import Path

import pytest

from config.settings import ModelSettings, Settings, StoreSettings
from jobs.conversations import Conversation
from jobs.languages import Language
from jobs.models import PromptJob
from worker.cli.batch import Batch
from worker.cli.estimating import Estimate, estimate, estimate_lines
from worker.cli.flags import NO_LANE_FLAGS
from worker.cli.placing import place_of

N_TASKS, N_SAMPLES, N_ATTEMPTS = 100, 2, 3


async def estimated(folder: Path, model: str, prompt: str = "x" * 400) -> Estimate:
    jobs = [
        PromptJob(prompt=prompt, run_id="r", task_id=f"t{task}", sample=s, max_attempts=N_ATTEMPTS)
        for task in range(N_TASKS)
        for s in range(N_SAMPLES)
    ]
    settings = Settings(
        model=ModelSettings(name=model), store=StoreSettings(directory=folder / "store")
    )
    languages = {Language.PYTHON: len(jobs)}
    place, talk = place_of(NO_LANE_FLAGS), Conversation()
    batch = Batch("r", len(jobs), languages, {}, len(jobs), lambda: iter(jobs), place, talk)
    return await estimate(settings, batch)


async def test_a_run_is_told_by_its_calls_its_cost_and_the_width_of_its_interval(
    tmp_path: Path,
) -> None:
    """Nobody wants to find out afterwards that it cost a hundred times as much, or could tell nothing."""
    found = await estimated(tmp_path, "gemini-2.5-flash")
    n_jobs = N_TASKS * N_SAMPLES
    assert (found.calls.low, found.calls.high) == (n_jobs, n_jobs * N_ATTEMPTS)
    assert found.prompt_tokens.low > n_jobs * 100, "a token for four characters"
    assert found.prompt_tokens.high > 3 * found.prompt_tokens.low, "later ones tell of earlier ones"
    assert found.cost_usd is not None
    assert 0 < found.cost_usd.low < found.cost_usd.high
    assert found.half_width.low == pytest.approx(0.069, abs=1e-3)
    assert found.half_width.high == pytest.approx(0.096, abs=1e-3)
    told = "\n".join(estimate_lines(found))
    assert "200 to 600: one for each job, or all its attempts" in told
    assert "± 6.9 to 9.6 points" in told
    assert "NO CHECK: 200 jobs count as solved where the program ends without an error" in told


async def test_a_longer_prompt_costs_more(tmp_path: Path) -> None:
    """An estimate that knew only how many there are would tell nothing of long ones."""
    short = await estimated(tmp_path, "gemini-2.5-flash")
    long = await estimated(tmp_path, "gemini-2.5-flash", "x" * 40_000)
    assert short.cost_usd is not None
    assert long.cost_usd is not None
    assert long.cost_usd.low > 2 * short.cost_usd.low


async def test_an_unknown_price_is_unknown_and_a_recording_costs_nothing(tmp_path: Path) -> None:
    """0 would be read as free, and unknown as dear."""
    unknown = await estimated(tmp_path, "gemini-that-nobody-knows")
    assert unknown.cost_usd is None
    assert "cost        unknown" in "\n".join(estimate_lines(unknown))
    replayed = await estimated(tmp_path, "replay")
    assert replayed.cost_usd is not None
    assert replayed.cost_usd.high == 0
    assert replayed.simulated
