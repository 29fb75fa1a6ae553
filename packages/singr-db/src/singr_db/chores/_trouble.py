"""How a loop reports an outage: once, and again when it changes."""

from singr_db._errors import ObjectStoreError
from singr_db.sessions._outages import is_outage, lock_held, sqlstate_of
from singr_db.sessions._schema_lacks import schema_lacks
from singr_observability import get_logger


class Trouble:
    """What keeps a loop from its work: said when it begins and when it changes, not at every turn.

    A loop outlives whatever strikes it: it brings jobs, renews their leases, writes their outcomes or keeps the house
    in order, and no error of one turn is worth any of that.
    """

    def __init__(self, what: str, *, module: str) -> None:
        self._what = what
        self._log = get_logger(module)
        self._kind: str | None = None

    def met(self, error: BaseException) -> None:
        """A turn failed."""
        kind = f"{type(error).__name__} {sqlstate_of(error) or ''}".rstrip()
        if kind == self._kind:
            return
        self._kind = kind
        if is_outage(error):
            # The words of our own object store have nothing secret in them; those of drivers may quote values.
            words = str(error) if isinstance(error, ObjectStoreError) else lock_held(error) or schema_lacks(error)
            self._log.warning("{} waits: {}", self._what, ": ".join(filter(None, (kind, words))))
        else:
            self._log.opt(exception=error).error("{} failed and is tried again: {}", self._what, kind)

    def over(self) -> None:
        """A turn succeeded."""
        if self._kind is not None:
            self._kind = None
            self._log.info("{} goes on", self._what)
