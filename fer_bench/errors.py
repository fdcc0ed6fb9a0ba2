"""The one error that a user can cause."""


class FerBenchError(Exception):
    """Something the user can mend: what was found, and what to do about it.

    The command line prints both lines and exits with 2. Anything else that is raised is a bug of ours: one line with
    the place of a full report (:mod:`fer_bench.cli._last_resort`), and 1.

    Args:
        problem: What was found where, and what was expected.
        fix: A command or an edit that mends it.
    """

    def __init__(self, problem: str, *, fix: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.problem}\n  fix: {self.fix}"
