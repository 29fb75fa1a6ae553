"""Ids: UUID version 7 (RFC 9562), whose order is the order of creation."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Make a UUID version 7: a millisecond timestamp, a counter and random bits.

    Ids made by one process ascend strictly, also within a millisecond; a forked child draws
    from fresh randomness. Ids of several processes are ordered as well as their clocks agree.

    Source: RFC 9562, section 5.7 and 6.2 (method 1).
    """
    return uuid7()
