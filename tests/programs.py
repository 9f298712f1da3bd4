"""Programs as a model would send them."""


def fenced(code: str, label: str = "python") -> str:
    """The program in a chat answer."""
    return f"Here it is:\n\n```{label}\n{code}\n```\n"


GOOD = fenced("print(1)")
CRASH = fenced("raise ValueError('the cause')")
WRONG = fenced("print(2)")
ENDLESS = fenced("while True:\n    pass")
PROSE = "I would rather not."
