"""A mailbox for development: real SMTP on loopback, messages kept as files, listed and shown over HTTP.

with Inbox(Path(".singr/inbox")) as inbox:
    print(inbox.smtp_port, inbox.url)
    mail = inbox.wait(to="jane@example.org")
"""

from singr_dev.inbox._callbacks import Callbacks
from singr_dev.inbox._inbox import Inbox
from singr_dev.inbox._shorts import ShortMessage, ShortStore
from singr_dev.inbox._store import Mail, MailStore

__all__ = ["Callbacks", "Inbox", "Mail", "MailStore", "ShortMessage", "ShortStore"]
