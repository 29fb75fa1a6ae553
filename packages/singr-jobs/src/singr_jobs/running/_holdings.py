"""How many jobs are left on the tickets that this process has."""

from collections import Counter
from collections.abc import Iterable


class Holdings:
    """Counts them, so that whoever ends the last job of a ticket tears the ticket up with it.

    A ticket that is left over all the same, since two parted it at the same moment, names nobody: the sweeper takes it.
    """

    def __init__(self) -> None:
        self._left: Counter[int] = Counter()

    def taken(self, token: int, jobs: int) -> None:
        """So many jobs came on a ticket."""
        self._left[token] += jobs

    def gone(self, tokens: Iterable[int]) -> None:
        """These jobs, each named by its ticket, are no longer here."""
        for token, jobs in Counter(tokens).items():
            self._left[token] -= jobs
            if self._left[token] <= 0:
                del self._left[token]

    def spent(self, tokens: Iterable[int]) -> list[int]:
        """The tickets on which nothing is left once these jobs, each named by its ticket, are gone."""
        return [token for token, jobs in Counter(tokens).items() if jobs >= self._left[token]]
