"""What can be wrong with the settings.

PromptmillError                     (jobs.errors)
└── UsageError                      (jobs.errors)
    └── ConfigError                 exit 2: a value, a type or a file cannot be used
        └── UnknownSettingError     exit 2: nothing is wrong but names that no setting has
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.errors import UsageError


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where it was written. It never holds the value of a secret."""

    place: str
    """A file and line (`promptmill.toml:31`), a variable or the command line."""
    text: str
    is_unknown_name: bool = False


class ConfigError(UsageError):
    """The settings cannot be used; `problems` holds everything that is wrong, not only the first of it."""

    kind = "config-invalid"

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Say all of `problems`: one in the message itself, several as one fact for each place."""
        self.problems = tuple(problems)
        if len(self.problems) == 1:
            super().__init__(self.problems[0].text, facts={"set in": self.problems[0].place})
        else:
            super().__init__(
                f"{len(self.problems)} settings cannot be used as they are", facts=self._facts()
            )

    def _facts(self) -> dict[str, str]:
        facts: dict[str, str] = {}
        for problem in self.problems:
            earlier = facts.get(problem.place)
            facts[problem.place] = f"{earlier}; {problem.text}" if earlier else problem.text
        return facts


class UnknownSettingError(ConfigError):
    """Every problem is a name that no setting has."""

    kind = "config-unknown-key"
