"""What can go wrong for a user, each with the exit status that scripts rely on.

An error says what is wrong, where, and what would work, in one line:
``file:line:column: what is wrong; what would work``.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the user's input something was found. Lines and columns count from 1."""

    file: str | Path
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


class AcclimateError(Exception):
    """Base of all errors that are told to the user in one line.

    Args:
        problem: what is wrong, without a full stop.
        remedy: what would work, as an instruction.
        where: the place in the user's input, when there is one.
    """

    exit_status = 1

    def __init__(self, problem: str, remedy: str, where: Place | None = None) -> None:
        self.problem, self.remedy, self.where = problem, remedy, where
        prefix = f"{where}: " if where else ""
        super().__init__(" ".join(f"{prefix}{problem}; {remedy}".split()))


class UsageError(AcclimateError, ValueError):
    """A wrong command line, argument or recipe."""

    exit_status = 2


class DataError(AcclimateError, ValueError):
    """Input data that cannot be used."""

    exit_status = 4


class ResourceError(AcclimateError, RuntimeError):
    """Too little memory, disk or rights, or training that cannot go on."""

    exit_status = 5


class DivergedError(AcclimateError):
    """Training has left weights whose vectors hold NaN or infinity; a run ends with the verdict ``diverged``."""


class InterruptedRunError(AcclimateError):
    """The user stopped the run; its state is saved."""

    exit_status = 130
