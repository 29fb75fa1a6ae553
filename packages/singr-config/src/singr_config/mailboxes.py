"""Mailboxes: what limits count e-mail addresses by that anybody may name."""

from typing import Final

_GMAIL: Final = frozenset({"gmail.com", "googlemail.com"})


def mailbox_of(address: str) -> str:
    """Give the mailbox that mail to an address, in lower case, most likely lies in: for limits, and for nothing else.

    `jane+1@example.org` is a name of `jane@example.org` at most providers, and Gmail reads over dots. Where it is not,
    several people share a limit. Accounts, recipients, suppressions and unsubscribes go by the address as it is
    written. Names with another sign (`jane-1@` of qmail and Yahoo) stay apart: most of them are different people's.

    >>> mailbox_of("jane+1@example.org"), mailbox_of("ja.ne+2@googlemail.com"), mailbox_of("jane-1@example.org")
    ('jane@example.org', 'jane@gmail.com', 'jane-1@example.org')
    """
    local, at, domain = address.rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _GMAIL:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}{at}{domain}"
