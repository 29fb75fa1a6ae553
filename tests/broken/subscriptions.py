"""Breakages of the row about Stripe's events."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

KEPT = "packages/singr-comms/src/singr_comms/notifications/callbacks/_subscriptions.py"
TESTS = "packages/singr-comms/tests/test_comms_subscriptions.py"

BREAKAGES = (
    Breakage(
        "fetches-that-end-last-win",
        "R19",
        "What Stripe answered is kept in the order in which answers come",
        (Edit(KEPT, "known.turn IS NULL OR known.turn < excluded.turn", "true"),),
        f"{TESTS}::test_fetch_that_began_last_wins_over_one_that_ends_last",
        "AssertionError",
        "an answer that was late by a moment made a cancelled subscription active again",
    ),
    Breakage(
        "events-are-believed-in-the-order-they-come",
        "R19",
        "Without a key, the event that comes last says what a subscription is",
        (Edit(KEPT, "ELSE known.event_created IS NULL OR", "ELSE true OR"),),
        f"{TESTS}::test_events_shuffled_and_doubled_end_as_stripe_has_it[events]",
        "AssertionError",
        "a subscription that was created after its end lived on",
    ),
)
