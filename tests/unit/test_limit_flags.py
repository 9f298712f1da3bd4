"""What the help of a limit says of its range."""

from typing import get_type_hints

import pytest
from annotated_types import Ge, Le

from jobs.limits import Limits
from worker.cli.program_flags import LimitFlags


@pytest.mark.parametrize("name", Limits.model_fields)
def test_the_help_of_a_limit_names_the_bounds_that_it_is_held_to(name: str) -> None:
    """The command's help is read before the settings are loaded, so the numbers stand in two places."""
    (parameter,) = get_type_hints(LimitFlags, include_extras=True)[name].__metadata__
    bounds = Limits.model_fields[name].metadata
    (most,) = [bound.le for bound in bounds if isinstance(bound, Le)]
    assert str(most) in parameter.help.replace(",", " ").split()
    least = [bound.ge for bound in bounds if isinstance(bound, Ge) and isinstance(bound.ge, int)]
    if max(least, default=0) > 1:
        assert f"{least[0]} to {most}" in parameter.help
