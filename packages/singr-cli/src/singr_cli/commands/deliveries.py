"""`singr deliveries`."""

from typing import Final

from singr_cli._declared import Command, Field, Group

_STATUSES: Final = (
    *("queued", "dispatched", "sent", "delivered", "bounced", "complained"),
    *("failed", "unknown", "suppressed"),
)

COMMANDS: Final = Group(
    "Deliveries: messages, and statistics of them.",
    (
        Command(
            "list",
            "GET /v1/deliveries",
            "List messages, the newest first, however many must be looked through.",
            fields=(
                Field("status", "Only those in this status.", choices=_STATUSES),
                Field("channel", "Only by this channel.", choices=("email", "sms", "push", "inbox")),
                Field("kind", "Only of this type, such as plain."),
                Field("job_id", "Only of this job."),
                Field("notification_id", "Only of this notification."),
                Field("recipient", "Only to this address or number, in full."),
                Field("created_after", "Not before this time (RFC 3339)."),
                Field("created_before", "Before this time."),
            ),
            columns=(
                *("id", "channel", "kind", "status", "recipient", "provider", "error.code", "error.message"),
                *("attempt_count", "created_at", "updated_at"),
            ),
        ),
        Command(
            "statistics",
            "GET /v1/statistics/deliveries",
            "Show delivery statistics: counts, and the share delivered, bounced or complained about.",
            fields=(
                Field("by", "day, type, channel, provider, user; separated by commas."),
                Field("from", "Since when (RFC 3339); a week before --to by default."),
                Field("to", "Until when (RFC 3339); now by default."),
            ),
            columns=(
                *("day", "type", "channel", "provider", "user", "messages"),
                *("states.sent", "states.delivered", "states.bounced", "states.complained", "states.failed"),
                *("states.unknown", "states.suppressed", "rates.delivered", "rates.bounced", "rates.complained"),
                *("seconds_to_delivered.median", "seconds_to_delivered.p95"),
            ),
            paged=False,
        ),
    ),
)
