"""A job as data: what is asked, what each attempt did, and the record that is kept."""

from signal import Signals
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, JsonValue, model_validator

from .bounds import MAX_ATTEMPTS, MAX_PROMPT, MAX_SOURCE, MAX_TEXT
from .calls import CallClass, class_of_reply
from .checkers import Checker, ExitsCleanly, why_unfit
from .clock import new_id
from .code_execution import ExecutedBy, why_not_by_gemini
from .conversations import Conversation, End, Style
from .costs import Cost
from .extracted import Extracted
from .extraction_policies import ExtractionPolicy
from .given_files import GivenFiles
from .handed_back import Artefact, Returned
from .identifiers import DEFAULT_QUEUE, Identifier, QueueName, RunId
from .languages import Language
from .leaks import Leak
from .limits import Limits
from .loads import Load
from .parts import Part
from .priorities import Priority
from .usage import Usage
from .verdicts import Outcome, Verdict
from .wire import OpaqueJson, Wire

Prompt = Annotated[str, Field(min_length=1, max_length=MAX_PROMPT)]
TaskId = Annotated[str, Field(min_length=1, max_length=256)]
Preamble = Annotated[str, Field(max_length=MAX_SOURCE)]
Stdin = Annotated[str, Field(max_length=MAX_TEXT)]


class PromptJob(Wire):
    """One prompt to be solved."""

    prompt: Prompt
    job_id: Identifier = Field(default_factory=lambda: new_id("job"))
    run_id: RunId | None = None
    """The run it belongs to, if any: one submission of a dataset under one configuration."""
    task_id: TaskId | None = None
    """The row of a dataset it was made from, by that dataset's own name for it."""
    cluster: TaskId | None = None
    """What the task has in common with others, such as a problem of which there are several forms: statistics do not
    take tasks of one cluster for independent. None is that of its task alone."""
    excluded: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Why it is left out of the score, such as `broken` or `flaky`; None where it counts."""
    part: Part | None = None
    """What of that dataset its run is of; None is all of it."""
    sample: Annotated[int, Field(ge=0)] = 0
    """Which of several independent jobs for the same task this is. Not an attempt."""
    language: Language = Language.PYTHON
    checker: Checker = ExitsCleanly()
    stdin: Stdin = ""
    """Of a job whose check has no cases: each case has its own."""
    preamble: Preamble = ""
    """Source code that is put before each of its programs and is none of the model's, such as imports."""
    files: GivenFiles = Field(default_factory=dict)
    """What lies in the directory that its programs run in, by path."""
    max_attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS)] = 3
    """Generations at most, the first one counted."""
    model: Annotated[str, Field(min_length=1)] | None = None
    """Who is to answer: a model of Gemini's, `replay`, or `replay:PATH`. None leaves it to the worker."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    conversation: Conversation = Conversation()
    extraction: ExtractionPolicy = ExtractionPolicy.STRUCTURE_FIRST
    """How the program is found in each reply."""
    as_recorded: bool = False
    """Whether it goes through all attempts that were recorded, past one that is accepted."""
    rescores: Identifier | None = None
    """The job whose stored replies are judged again; no model is asked."""
    cache: bool = False
    """Whether a reply that was paid for earlier, to the same words for the same sample, will do."""
    code_execution: bool = False
    """Whether Gemini runs the programs itself, by its tool of that name. Then nothing is run here."""
    limits: Limits | None = None
    """None takes the worker's default; the worker's ceiling holds either way."""
    queue: QueueName = DEFAULT_QUEUE
    """Which workers may take it: those that serve this queue."""
    priority: Priority = Priority.NORMAL
    """When it is taken, among the jobs of its queue that are due."""
    metadata: OpaqueJson = Field(default_factory=dict)
    """Carried into the record untouched."""

    @model_validator(mode="after")
    def _fits_together(self) -> "PromptJob":
        why = why_unfit(self.checker, self.language, self.stdin)
        if self.code_execution and why is None:
            is_alone = not self.preamble and not self.files
            why = why_not_by_gemini(self.language, self.checker, self.stdin, is_alone=is_alone)
        if why:
            raise ValueError(why)
        return self


class ExecutableCode(Wire):
    """Gemini's resource of the same name: a program to be run."""

    language: Language
    code: str


class CodeExecutionResult(Wire):
    """Gemini's resource of the same name, with the error kept apart from the output."""

    outcome: Outcome
    output: str
    """Standard output, or standard output and standard error together where there was an error."""
    execution_error: str | None
    """The error in one line or a traceback; None where the run ended well."""


LimitHit = Literal["cpu", "wall", "memory", "output", "file_size", "processes", "denied"]


class Execution(Wire):
    """What happened when a program ran. It says nothing about right or wrong."""

    exit_code: int | None
    """None where a signal ended it."""
    signal: int | None
    """The number of the signal that ended it, ours included."""
    limit_hit: LimitHit | None
    """Which limit ended it, by the word of whoever enforced it; never guessed from a signal."""
    cpu_seconds: float
    """User and system time of the whole process tree."""
    wall_seconds: float
    peak_memory_kib: int | None
    """The most memory the tree held at one moment, as sampled; None where it could not be seen."""
    peak_processes: int | None = None
    """The most processes and threads there were at one look."""
    stdout: str
    """Invalid UTF-8 is replaced by U+FFFD."""
    stderr: str
    stdout_base64: str | None = None
    """The exact bytes; None where `stdout` is exact itself."""
    stderr_base64: str | None = None
    stdout_bytes: Annotated[int, Field(ge=0)]
    """Bytes read before the limit, so that a reader knows how much was cut."""
    stderr_bytes: Annotated[int, Field(ge=0)]
    stdout_truncated: bool
    stderr_truncated: bool
    compile_failed: bool = False
    """The language's own check refused the program before it ran."""
    tests_finished: bool | None = None
    """Whether the end of the tests was reached, proven by the nonce; None where there were none."""
    returned: tuple[Returned, ...] | None = None
    """What the calls returned, as far as the program came; None where there were none."""
    artefacts: tuple[Artefact, ...] = ()
    artefacts_omitted: Annotated[int, Field(ge=0)] = 0
    """Files that were passed over: too many, too deep, or no plain files."""

    @classmethod
    def unmeasured(
        cls,
        *,
        exit_code: int | None,
        limit_hit: LimitHit | None = None,
        stdout: str = "",
        stderr: str = "",
        compile_failed: bool = False,
    ) -> Self:
        """A run, or what stands for one that there was not, of which no more is known than this."""
        return cls(
            exit_code=exit_code,
            signal=None,
            limit_hit=limit_hit,
            cpu_seconds=0.0,
            wall_seconds=0.0,
            peak_memory_kib=None,
            stdout=stdout,
            stderr=stderr,
            stdout_bytes=len(stdout.encode()),
            stderr_bytes=len(stderr.encode()),
            stdout_truncated=False,
            stderr_truncated=False,
            compile_failed=compile_failed,
        )

    @property
    def signal_in_words(self) -> str | None:
        """The number of the signal and its name, as in `9 (SIGKILL)`; None where none ended it."""
        if self.signal is None:
            return None
        try:
            return f"{self.signal} ({Signals(self.signal).name})"
        except ValueError:  # real-time signals between the two that have names
            return str(self.signal)


class Rerun(Wire):
    """A run that was over its time and was repeated, with no other program of its worker beside it."""

    first: Execution
    again: Execution
    """It counts. Of what both printed, little is kept here."""
    is_over_again: bool
    """Whether it was over its time again."""
    load: Load
    """Of the machine during the first one."""
    load_again: Load


class Isolation(Wire):
    """The layers that were in force while a program ran."""

    profile: Literal["strict", "contained", "rlimits"]
    layers: tuple[str, ...]
    """Names of what was in force, each proven by doing it on this machine."""
    missing: tuple[str, ...] = ()
    """Names of what the kernel or this account refused, of what a stronger profile has."""


class ModelReply(Wire):
    """What the model answered, as received and as read."""

    content: dict[str, JsonValue] | None
    """Gemini's `Content`, exactly as received, thought signatures and all; None where there was none."""
    text: str
    """The visible text parts, joined."""
    code_parts: tuple[str, ...] = ()
    """The code of `executableCode` parts, should the model send any."""
    finish_reason: str | None
    block_reason: str | None = None
    """Why the prompt itself was refused."""
    requested_model: str | None = None
    """Who was asked: the job's own model, or else that of the worker."""
    model_version: str | None
    response_id: str | None = None
    usage: Usage = Usage()
    """What was paid for it, replies that were thrown away for it included."""
    thrown_away: Usage = Usage()
    """How much of that was paid for replies that were thrown away."""
    cost: Cost | None = None
    """None where the price is unknown, never 0. Requests that brought no reply are not in it; of a reply out of the
    cache it is what was paid at that time."""
    latency_seconds: float
    """Of the request that was answered; earlier tries and the waits between them are not in it. Of one that went with a
    batch, from then until its results were here."""
    transport_tries: int = 1
    """HTTP requests it took in all, those after a rate limit included. They are not attempts."""
    transport_retries: int = 0
    """How many of them followed on a failure of service or network, or on no answer in time."""
    resamples: int = 0
    """How many of them followed on a reply that was thrown away, because it was empty, blocked or malformed."""
    batch: str | None = None
    """The batch of Gemini's that brought it, at half the price; None of a live call."""
    simulated: bool = False
    """The answer is a recording."""
    style: Style | None = None
    """How its prompt told of the attempts before; None where it told of none."""
    cached: bool = False
    """It was paid for earlier, and is out of the cache or the record that is judged again: usage is of that time."""
    replay_exhausted: bool = False
    """The recordings ended before this attempt, and the last one was given again."""
    stands_in: bool = False
    """Nothing was recorded of its sample, and it is that of sample 0."""
    recordings_left: int | None = None
    """How many more attempts are recorded of its job; None of a reply that is no recording."""

    @property
    def call_class(self) -> CallClass:
        """What the reply means for what can be done with it."""
        is_empty = not self.text.strip() and not self.code_parts
        return class_of_reply(self.finish_reason, self.block_reason, is_empty=is_empty)


Trust = Literal["separate_process", "same_process", "reported_by_gemini"]


class CaseResult(Wire):
    """How one case of a check did: an assert, a test of a unit file, a call, or one input with its output."""

    name: str
    """What the check itself calls it, else where it stands: `line 3`, `case 2`."""
    verdict: Verdict
    expected: str | None = None
    """What had to come out, in the program's language and cut to a bounded length; None where nobody can say."""
    actual: str | None = None
    """What came out instead, or the error; None where nothing is known of it."""
    check: Annotated[int, Field(ge=1)] | None = None
    """Which of several checks it is of, counted from 1 as the job has them; None where there is one."""


class Attempt(Wire):
    """One generation and the run of its program."""

    number: Annotated[int, Field(ge=1)]
    reply: ModelReply
    call_class: CallClass | None = None
    """How the call that brought the reply ended; None where that was not kept yet."""
    extraction: Extracted
    executable_code: ExecutableCode | None
    """None where the reply held no program."""
    executed_by: ExecutedBy | None = None
    """Who ran it; None where nothing was run. Of what Gemini ran no more is known than its result."""
    code_execution_result: CodeExecutionResult | None
    """None where nothing was run."""
    execution: Execution | None
    reruns: tuple[Rerun, ...] = ()
    """What of it was over its time and was run again."""
    verdict: Verdict
    explanation: str
    """One line a person reads first: the error, the first difference, why there was no program."""
    cases: tuple[CaseResult, ...] = ()
    """What each case of the check came to, in order, as far as it was tried; empty where a check has no cases."""
    conversation: Annotated[int, Field(ge=1)] = 1
    """Which one of its job it belongs to: a restart begins another."""
    feedback: str | None = None
    """The words sent back to the model after this attempt, if there was another in the same conversation."""
    leaks: tuple[Leak, ...] = ()
    """Warnings: what is hidden of its check and stands in that feedback, or in the program."""
    end: End | None = None
    """Why the job ended with it; None where there was another attempt."""
    trust: Trust = "separate_process"
    """Where the check ran. In the program's own process it is guarded by a nonce, not by a wall; what Gemini reports of
    its own run is compared here, and cannot be verified."""
    trust_reason: str | None = None
    """What Python tests need of the program's process; None where they do without, or where tests have no other way."""
    isolation: Isolation | None = None
    """In force while its program ran; None where nothing was run."""
    started_at: AwareDatetime
    finished_at: AwareDatetime


class Record(Wire):
    """The stored JSON of a finished job, attempts and all."""

    schema_version: Literal[1] = 1
    job: PromptJob
    verdict: Verdict
    """Of the last attempt; `internal_error` where we failed and not the program."""
    attempts: tuple[Attempt, ...]
    error: str | None = None
    """What went wrong with us; None unless the verdict is `internal_error`."""
    unusable_reply: dict[str, JsonValue] | None = None
    """What the model had answered where that is what went wrong: as received, and kept nowhere else."""
    requested_model: str
    """Who was asked last. The job's own, or else that of the worker that asked; each attempt says its own."""
    served_model: str | None
    """The version that answered last, by its own word."""
    simulated: bool
    """Answers came from recordings: the numbers say nothing about a model."""
    limits: Limits
    """In force, after defaults and ceiling."""
    isolation: Isolation | None
    """What every run of a program had; workers that a job went through may differ, and each attempt says its own. None
    where nothing was run here: Gemini did, or whoever an imported record is from."""
    worker: str
    """The one that finished the job. It may have taken over attempts of others."""
    versions: dict[str, str]
    imported_from: Annotated[str, Field(min_length=1)] | None = None
    """The format of the results that it was made from: whoever wrote those ran and judged, and nothing was run here."""
    deliveries: Annotated[int, Field(ge=1)]
    """How often the queue handed the job over. Not attempts."""
    usage: Usage
    """Summed over the attempts."""
    cost_usd: float | None = None
    """Summed over the attempts; recordings and replies out of the cache cost nothing. None where a price is unknown,
    never 0."""
    queued_at: AwareDatetime
    started_at: AwareDatetime
    finished_at: AwareDatetime

    @property
    def job_id(self) -> str:
        """The id the record is stored under."""
        return self.job.job_id

    @property
    def solved_at(self) -> int | None:
        """The number of the attempt since which all were accepted, or None."""
        failed = (each.number for each in self.attempts if each.verdict is not Verdict.ACCEPTED)
        return max(failed, default=0) + 1 if self.verdict is Verdict.ACCEPTED else None

    @property
    def explanation(self) -> str:
        """One line a person reads first: what went wrong with us, else what came of the last attempt."""
        last = self.attempts[-1].explanation if self.attempts else ""
        return self.error or last

    @property
    def executable_code(self) -> ExecutableCode | None:
        """The last program, or None."""
        return self.attempts[-1].executable_code if self.attempts else None

    @property
    def output(self) -> str | None:
        """What the last program printed, or None where nothing ran."""
        result = self.attempts[-1].code_execution_result if self.attempts else None
        return result.output if result else None
