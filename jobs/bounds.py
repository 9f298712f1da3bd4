"""Bounds of what a job may hold, for whoever checks a text or a number before it loads what a job is."""

MAX_ATTEMPTS = 20
"""The most attempts a job may ask for; repairs after the third rarely add a pass."""
MAX_PROMPT = 1_000_000
"""Characters of a prompt."""
MAX_SOURCE = 1_000_000
"""Characters of tests."""
MAX_TEXT = 16_777_216
"""Characters of an expected output, and of a standard input."""
MAX_CASES = 1_000
"""Cases of one check; each is a run of its own."""
MAX_CASES_TEXT = 33_554_432
"""Characters of all their inputs and expected outputs together."""
