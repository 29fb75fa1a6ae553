"""What can go wrong in this package."""

from singr_config import PortableError


class SingrDbError(PortableError):
    """The root of this package's errors."""


class DatabaseUrlError(SingrDbError):
    """The database address cannot be used; the message names the fault and never the password."""


class PoolerError(SingrDbError):
    """A connection pooler in a mode that cannot work lies before the database; the message says what to set."""


class CommitsHangError(SingrDbError, TimeoutError):
    """The server answers, but a commit does not end: a synchronous standby is away, or the disk hangs."""


class GrantError(SingrDbError):
    """A role cannot be given, or relieved of, the right to enqueue; the message says why and what to do."""


class TenantRoleError(SingrDbError):
    """The role that fences tenants is missing and this user may not make it.

    The message holds the SQL for an administrator to run.
    """


class MigrationError(SingrDbError):
    """The schema could not be brought to the wanted revision; the message says why."""


class SealError(SingrDbError):
    """A sealed value cannot be opened; the message says why and never what was in it."""


class KeyDestroyedError(SealError):
    """The key of the person whose value this is was destroyed: nobody reads it any more."""

    def __init__(self) -> None:
        super().__init__("the key of the person that it was sealed for was destroyed")


class ObjectStoreError(SingrDbError):
    """The object store refused, or did not answer."""


class ObjectStoreAwayError(ObjectStoreError):
    """The object store is away, busy, full or set up wrongly: the same may succeed later (`is_outage`)."""


class ObjectNotFoundError(ObjectStoreError):
    """There is no object under this key."""


class MissingExtraError(SingrDbError):
    """A part of this package was used whose libraries are not installed."""
