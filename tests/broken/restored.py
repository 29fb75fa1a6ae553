"""Breakages of the row about a restore: what is remembered of what a database has forgotten."""

from __future__ import annotations

from broken.breakage import Breakage, Edit
from broken.rows import INBOX_AFTER_A_RESTORE, NAMES_AFTER_A_RESTORE

BREAKAGES = (
    Breakage(
        "inboxes-stay-where-they-were",
        "R37",
        "After a restore the positions of inboxes go on from where they were then",
        (
            Edit(
                "packages/singr-db/src/singr_db/schema/_restored.py",
                "SET position = position + 1000000, left_at",
                "SET position = position, left_at",
            ),
        ),
        INBOX_AFTER_A_RESTORE,
        "TimeoutError",
        "whoever had seen more before the restore was told of the last items alone, and went on showing what was gone",
    ),
    Breakage(
        "names-are-kept-once",
        "R37",
        "A worker keeps the names of a category once in its life",
        (
            Edit(
                "packages/singr-comms/src/singr_comms/notifications/branding/_category_names.py",
                "self._until.get(declared.category, 0.0) > time.monotonic():",
                "declared.category in self._until:",
            ),
        ),
        NAMES_AFTER_A_RESTORE,
        "AssertionError",
        "pages of other teams' categories had no names until every worker was restarted",
    ),
)
