"""How the program is found in a reply: this moves a score more than most changes of model do."""

import json
import subprocess
import sys
import time

import pytest

from jobs.languages import Language
from jobs.models import ModelReply
from tests.requiring import has_material, material
from worker.solver.extraction import extract, program_of

CASES = "data/extraction_cases.jsonl"

JOINED = "def f(x):\n    return x + 1\n\nprint(f(1))\n"
ONE = "print(1)\n"


def shared_cases() -> list[dict[str, object]]:
    if not has_material(CASES):
        # One, which is skipped by the name of what is missing.
        return [{"id": "none"}]
    return [json.loads(line) for line in material(CASES).read_text("utf-8").splitlines()]


def reply(text: str = "", **fields: object) -> ModelReply:
    return ModelReply.model_validate(
        {
            "content": {"role": "model", "parts": [{"text": text}]},
            "text": text,
            "finish_reason": "STOP",
            "model_version": "test",
            "latency_seconds": 0.0,
            **fields,
        }
    )


@pytest.mark.parametrize("case", shared_cases(), ids=lambda case: str(case["id"]))
def test_a_collected_reply_gives_the_program_it_should(case: dict[str, object]) -> None:
    """The forms were collected from other projects' bug reports: each has cost somebody a right answer."""
    material(CASES)
    found = extract(str(case["reply"]), Language(str(case["language"])))
    assert (found.code, found.truncated) == (case["expected_code"], case["truncated"])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Sure:\n```\nprint(1)\n```\n", id="no label"),
        pytest.param("``` python\nprint(1)\n```", id="space before the label"),
        pytest.param("```python3.11\nprint(1)\n```", id="version in the label"),
        pytest.param("```{python}\nprint(1)\n```", id="braces"),
        pytest.param("```language-python\nprint(1)\n```", id="class name as label"),
        pytest.param("```main.py\nprint(1)\n```", id="file name as label"),
        pytest.param("```python:main.py\nprint(1)\n```", id="label and file name"),
        pytest.param("```\npython\nprint(1)\n```", id="label on the line below"),
        pytest.param("~~~~\nprint(1)\n~~~~", id="long tildes"),
        pytest.param("> So:\n> ```python\n> print(1)\n> ```\n", id="in a quotation"),
        pytest.param("- ```python\n  print(1)\n  ```\n", id="beside a bullet"),
        pytest.param("```markdown\n# T\n```python\nprint(1)\n```\n```\n", id="in a document"),
        pytest.param("````md\n```python\nprint(1)\n```\n````\n", id="in a document, longer fence"),
        pytest.param("```python\nprint(1)```\nDone", id="close glued to the code"),
        pytest.param("```python\nprint(1)\n``` That is it.", id="close glued to prose"),
        pytest.param("\ufeff```python\nprint(1)\n```", id="byte order mark"),
        pytest.param("```\nprint(1)\n```\nOutput:\n```\n1\n```", id="output after it"),
        pytest.param("Use ``` to fence.\n\n```python\nprint(1)\n```", id="fence in prose"),
        pytest.param("```bash\npip install x\n```\n```python\nprint(1)\n```", id="after bash"),
        pytest.param("```python\nprint(1)\n```\n```python\nprint(1)\n```", id="said twice"),
        pytest.param("<python>\nprint(1)\n</python>", id="python tag"),
        pytest.param('<code class="python">print(1)</code>', id="code tag on one line"),
        pytest.param('{"executableCode": {"language": "PYTHON", "code": "print(1)"}}', id="record"),
        pytest.param('```json\n{"language": "python", "code": "print(1)"}\n```', id="fenced JSON"),
        pytest.param(
            "hm\n```python\nprint(0)\n```\n</think>\n```python\nprint(1)\n```", id="thought"
        ),
        pytest.param("`print(1)`", id="code span"),
        pytest.param("Here it is:\nprint(1)\nIt prints one.", id="between lines of prose"),
        pytest.param("Here it is:\n\n    print(1)\n\nDone.", id="indented without a fence"),
        pytest.param("```python\nprint(1)\n\nThis prints the number.", id="unclosed before prose"),
    ],
)
def test_a_program_is_found_however_it_is_marked(text: str) -> None:
    """Models miss the Markdown they were taught; a right program must not fail for its wrapping."""
    assert extract(text, Language.PYTHON).code == ONE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("if 1 &lt; 2:\n    print(1)\n", "if 1 < 2:\n    print(1)\n", id="HTML"),
        pytest.param("print(1)\u200b\n", ONE, id="zero-width space"),
        pytest.param("    print(1)\n", ONE, id="margin"),
        pytest.param("%matplotlib inline\nprint(1)\n", ONE, id="notebook command"),
        pytest.param(">>> x = 1\n>>> print(x)\n1\n", "x = 1\nprint(x)\n", id="session"),
        pytest.param("print('&lt; \u00a0')\n", "print('&lt; \u00a0')\n", id="nothing to mend"),
    ],
)
def test_only_a_program_that_could_not_run_is_mended(text: str, expected: str) -> None:
    """What chat windows break is mended; what works must reach the sandbox as the model wrote it."""
    assert extract(f"```python\n{text}```\n", Language.PYTHON).code == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "```python\ndef f(x):\n    return x + 1\n```\nUse:\n```python\nprint(f(1))\n```",
            JOINED,
            id="the rest of the program",
        ),
        pytest.param(
            "```python\ndef f(x):\n    return x\n```\nBetter:\n"
            "```python\ndef f(x):\n    return x + 1\n\nprint(f(1))\n```",
            JOINED,
            id="a draft defined again",
        ),
        pytest.param(
            "```python\n    a +\n```\nWhole:\n```python\nprint(1)\n```", ONE, id="fragment"
        ),
        pytest.param(
            "```python\nprint(1)\n```python\nprint(2)\n```",
            "print(1)\n\nprint(2)\n",
            id="a close that is missing",
        ),
    ],
)
def test_several_blocks_become_one_program(text: str, expected: str) -> None:
    """Running a draft fails where the answer was right; leaving out a helper does as well."""
    assert extract(text, Language.PYTHON).code == expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        pytest.param("sh", "```bash\nls | wc -l\n```", "ls | wc -l\n", id="bash for sh"),
        pytest.param("sh", "```\nls -la | wc -l\n```", "ls -la | wc -l\n", id="sh without a label"),
        pytest.param(
            "sh",
            "```sh\ncat <<E\n```\nE\n```\n",
            "cat <<E\n```\nE\n",
            id="fence in a here document",
        ),
        pytest.param(
            "sh", "```sh\necho $((1 << n))\n```", "echo $((1 << n))\n", id="shift operator"
        ),
        pytest.param("sh", "n=1\necho $n\n", "n=1\necho $n\n", id="sh without a fence"),
        pytest.param("javascript", "```mjs\nf()\n```", "f()\n", id="module for JavaScript"),
        pytest.param(
            "javascript",
            "```\nfor (const x of [1]) {\n  console.log(x)\n}\n```",
            "for (const x of [1]) {\n  console.log(x)\n}\n",
            id="JavaScript without a label",
        ),
        pytest.param(
            "javascript", "let x = 1;\nf(x);", "let x = 1;\nf(x);\n", id="JavaScript bare"
        ),
        pytest.param(
            "javascript",
            "```js\n// Adds.\nfunction f() { return 1 }\n```",
            "// Adds.\nfunction f() { return 1 }\n",
            id="JavaScript after a comment",
        ),
        pytest.param("bash", "```sh\necho 1\n```", "echo 1\n", id="sh for bash"),
        pytest.param("cpp", "```c++\nint main() {}\n```", "int main() {}\n", id="C++"),
        pytest.param("c", "```c11\nint main() {}\n```", "int main() {}\n", id="C of a version"),
        pytest.param(
            "go",
            "```\npackage main\n\nfunc main() {}\n```",
            "package main\n\nfunc main() {}\n",
            id="Go",
        ),
    ],
)
def test_programs_in_other_languages_are_found(language: str, text: str, expected: str) -> None:
    """Without a parser at hand the look of the lines decides, and it must not lose real programs."""
    assert extract(text, Language(language)).code == expected


@pytest.mark.parametrize(
    ("language", "text", "reason"),
    [
        pytest.param("python", "hello", "holds no program", id="bare name"),
        pytest.param("python", "Call print(x) in your code.", "holds no program", id="sentence"),
        pytest.param("python", "The answer is:\n\nx = 5\n", "holds no program", id="assignment"),
        pytest.param(
            "python", "Output:\n```\nhello\n```", "no code block is a program", id="output"
        ),
        pytest.param("python", '{"a": 1}', "holds no program", id="data"),
        pytest.param("python", "```python\npass\n```", "does nothing", id="placeholder"),
        pytest.param("python", "```js\nf()\n```", "only code block is JavaScript", id="language"),
        pytest.param("javascript", "```ts\nf()\n```", "only code block is TypeScript", id="kin"),
        pytest.param(
            "python", '{"language": "js", "code": "f()"}', "code block is JavaScript", id="JSON"
        ),
        pytest.param("python", "```python\n-f(1)\n+f(2)\n```", "is a patch", id="patch as Python"),
        pytest.param(
            "python",
            "```python\n# a.py\ndef f(): ...\n```\n```python\n# b.py\nfrom a import f\nf()\n```",
            "several files (a, b)",
            id="files",
        ),
        pytest.param("python", "<think>\n```python\nf()\n```", "holds no program", id="thought"),
        pytest.param("sh", "Read the file. Then sort it.", "holds no program", id="advice for sh"),
        pytest.param("javascript", "No, sorry (really).", "holds no program", id="refusal"),
    ],
)
def test_what_is_no_program_is_never_run_and_says_why(
    language: str, text: str, reason: str
) -> None:
    """Prose that happens to compile would earn a verdict that says nothing about the model."""
    found = extract(text, Language(language))
    assert found.code is None
    assert reason in found.reason


def test_a_program_with_a_syntax_error_is_still_run() -> None:
    """The interpreter's own words are the best feedback; `no_code` would hide them from the model."""
    found = extract("```python\nprint(1\n```\n", Language.PYTHON)
    assert found.code == "print(1\n"
    assert found.strategy == "fences: labelled block that does not compile"


def test_a_plain_string_names_the_language_as_well() -> None:
    """Rows of datasets hold plain strings, and a `StrEnum` promises that they are the same."""
    assert extract("```py\nprint(1)\n```", "python").code == ONE  # type: ignore[arg-type]


def test_the_last_executable_code_part_wins_over_the_text() -> None:
    """A structured part is the model's own word for what its program is."""
    found = program_of(
        reply("```python\nprint(0)\n```", code_parts=("print(2)", "print(1)")), Language.PYTHON
    )
    assert (found.code, found.strategy) == (ONE, "executableCode part: labelled block")


def test_executable_code_parts_are_only_ever_python() -> None:
    """Gemini's type knows no other language; run as a shell script such a part would do anything."""
    found = program_of(reply("```sh\necho 1\n```", code_parts=("print(1)",)), Language.SH)
    assert found.code == "echo 1\n"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({"finish_reason": "MAX_TOKENS"}, "cut off at the token limit", id="cut"),
        pytest.param({"finish_reason": "SAFETY"}, "stopped (SAFETY)", id="stopped"),
        pytest.param({"finish_reason": None}, "broke off", id="no reason"),
        pytest.param({"finish_reason": "OTHER"}, "stopped (OTHER)", id="gone wrong"),
        pytest.param(
            {"finish_reason": "MADE_UP", "text": ""}, "stopped (MADE_UP)", id="unknown, and empty"
        ),
        pytest.param({"block_reason": "OTHER", "text": ""}, "prompt was blocked", id="blocked"),
        pytest.param({"text": " \n"}, "the reply is empty", id="empty"),
    ],
)
def test_a_reply_that_was_not_finished_is_never_run(fields: dict[str, object], reason: str) -> None:
    """Half a program can do what the whole one never would."""
    unfinished = reply("```python\nprint(1)\n```").model_copy(update=fields)
    found = program_of(unfinished, Language.PYTHON)
    assert found.code is None
    assert reason in found.reason
    assert found.truncated == (fields.get("finish_reason", "STOP") in {None, "MAX_TOKENS"})


def test_what_ended_for_a_reason_newer_than_us_is_used() -> None:
    """A word that the service learns tomorrow must not throw away what is paid for."""
    found = program_of(reply("```python\nprint(1)\n```", finish_reason="MADE_UP"), Language.PYTHON)
    assert found.code == ONE


MIB = 1_048_576


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param("```\n", id="fences"),
        pytest.param("`", id="one long run"),
        pytest.param("a ```python\nf()\n", id="openers without end"),
        pytest.param("```python\nx = '''\n```\n", id="no end fits"),
        pytest.param("<think>\n", id="thoughts"),
        pytest.param("<pre><code>", id="tags"),
        pytest.param('{"code":', id="JSON"),
        pytest.param("\n", id="empty lines"),
        pytest.param("f();", id="calls"),
        pytest.param("> ", id="quotations"),
    ],
)
@pytest.mark.parametrize("language", list(Language))
def test_a_mebibyte_of_anything_takes_bounded_time(unit: str, language: Language) -> None:
    """One reply must not hold up the other jobs of its worker; quadratic work would take minutes here."""
    text = unit * (MIB // len(unit))
    started = time.thread_time()
    extract(text, language)
    assert time.thread_time() - started < 0.5


def test_deep_nesting_does_not_end_the_process() -> None:
    """CPython's parser overflows a stack of 512 KiB, a thread's on macOS, and takes the worker with it."""
    script = (
        "import threading\n"
        "from worker.solver.extraction import extract\n"
        "def run():\n"
        "    for unit in ('-', 'not ', 'lambda:', '(', 'f(', '{1:[', '1**', 'a.b'):\n"
        "        extract('```python\\n' + unit * (20000 // len(unit)) + '1\\n```', 'python')\n"
        "threading.stack_size(512 * 1024)\n"
        "thread = threading.Thread(target=run)\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, timeout=50
    )
    assert (done.returncode, done.stderr) == (0, b"")
