"""A plan renews soon."""

from typing import Final

from singr_comms.catalogue import (
    EXAMPLE_LINK,
    Amount,
    HttpUrl,
    LocalDay,
    Message,
    MessageType,
    PersonName,
    ShortHttpUrl,
    Title,
)


class RenewalReminder(Message, tag="renewal_reminder", frozen=True, kw_only=True):
    """A plan renews soon."""

    user_name: PersonName
    plan_name: Title
    renews_on: LocalDay
    amount: Amount
    link: HttpUrl


class RenewalReminderPush(Message, tag="renewal_reminder", frozen=True, kw_only=True):
    """A plan renews soon."""

    plan_name: Title
    renews_on: LocalDay
    amount: Amount
    link: ShortHttpUrl


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="payments",
    email=RenewalReminder,
    push=RenewalReminderPush,
    examples=(
        lambda user="Jane Doe", plan="Stage Pro": RenewalReminder(
            user_name=user, plan_name=plan, renews_on="2026-12-05", amount="EUR 24.50", link=EXAMPLE_LINK
        ),
        lambda plan="Stage Pro": RenewalReminderPush(
            plan_name=plan, renews_on="2026-12-05", amount="EUR 24.50", link=EXAMPLE_LINK
        ),
    ),
)
