"""What is wrong with a configuration."""

from collections.abc import Sequence

import msgspec

from singr_config.values._portable import PortableError


class Problem(msgspec.Struct, frozen=True):
    """One variable and what would be right. The message never holds a secret's value."""

    variable: str
    message: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.message}"


class ConfigurationError(PortableError):
    """The environment cannot be used; `problems` names every variable that has to change.

    `str()` lists all problems, one a line.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"The configuration has {count}:\n{lines}")
