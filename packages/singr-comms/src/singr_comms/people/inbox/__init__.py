"""People's inboxes in an app: what is in them, how many of it is new, and how a screen learns of it at once."""

from singr_comms.people.inbox._checks import InboxMark, check_mark
from singr_comms.people.inbox._items import (
    ADDED,
    InboxCounts,
    InboxItemView,
    InboxMessage,
    InboxNotFoundError,
    InboxState,
    InboxWordsError,
    add_to_inboxes,
    count_inbox,
    inbox_changes,
    inbox_of,
    list_inbox,
    owner_of_inbox,
)
from singr_comms.people.inbox._live import LiveInbox, LiveInboxes
from singr_comms.people.inbox._marking import forget_items, mark_inbox, wake_snoozed
from singr_comms.people.inbox._news import InboxNews, note_news

__all__ = [
    "ADDED",
    "InboxCounts",
    "InboxItemView",
    "InboxMark",
    "InboxMessage",
    "InboxNews",
    "InboxNotFoundError",
    "InboxState",
    "InboxWordsError",
    "LiveInbox",
    "LiveInboxes",
    "add_to_inboxes",
    "check_mark",
    "count_inbox",
    "forget_items",
    "inbox_changes",
    "inbox_of",
    "list_inbox",
    "mark_inbox",
    "note_news",
    "owner_of_inbox",
    "wake_snoozed",
]
