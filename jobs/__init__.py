"""The library that scripts import: jobs as data, the queue, records, datasets and reports."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .checkers import (
        AllOf,
        Case,
        Checker,
        ExitsCleanly,
        ExpectedCall,
        MatchesCalls,
        MatchesOutput,
        PassesTests,
    )
    from .comparisons import Compare
    from .errors import PromptmillError
    from .events import JobEvent
    from .languages import Language
    from .limits import Limits
    from .models import (
        Attempt,
        CaseResult,
        CodeExecutionResult,
        ExecutableCode,
        Execution,
        Isolation,
        ModelReply,
        PromptJob,
        Record,
    )
    from .priorities import Priority
    from .queue import JobHandle, JobQueue, JobStatus
    from .records import RecordStore
    from .records.files import FileRecordStore
    from .records.memory import MemoryRecordStore
    from .records.opening import open_store
    from .summaries import Summary
    from .usage import Usage
    from .verdicts import Outcome, Verdict

__all__ = [
    "AllOf",
    "Attempt",
    "Case",
    "CaseResult",
    "Checker",
    "CodeExecutionResult",
    "Compare",
    "ExecutableCode",
    "Execution",
    "ExitsCleanly",
    "ExpectedCall",
    "FileRecordStore",
    "Isolation",
    "JobEvent",
    "JobHandle",
    "JobQueue",
    "JobStatus",
    "Language",
    "Limits",
    "MatchesCalls",
    "MatchesOutput",
    "MemoryRecordStore",
    "ModelReply",
    "Outcome",
    "PassesTests",
    "Priority",
    "PromptJob",
    "PromptmillError",
    "Record",
    "RecordStore",
    "Summary",
    "Usage",
    "Verdict",
    "open_store",
]

# Loaded when asked for: arq and redis cost 0.4 s to import, and whoever needs only the words must not pay for them.
_HOME = {
    "checkers": (
        *("AllOf", "Case", "Checker", "ExitsCleanly", "ExpectedCall"),
        *("MatchesCalls", "MatchesOutput", "PassesTests"),
    ),
    "comparisons": ("Compare",),
    "errors": ("PromptmillError",),
    "events": ("JobEvent",),
    "languages": ("Language",),
    "limits": ("Limits",),
    "models": (
        *(
            "Attempt",
            "CaseResult",
            "CodeExecutionResult",
            "ExecutableCode",
            "Execution",
            "Isolation",
        ),
        *("ModelReply", "PromptJob", "Record"),
    ),
    "priorities": ("Priority",),
    "queue": ("JobHandle", "JobQueue", "JobStatus"),
    "records": ("RecordStore",),
    "records.files": ("FileRecordStore",),
    "records.memory": ("MemoryRecordStore",),
    "records.opening": ("open_store",),
    "summaries": ("Summary",),
    "usage": ("Usage",),
    "verdicts": ("Outcome", "Verdict"),
}


def __getattr__(name: str) -> object:
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
