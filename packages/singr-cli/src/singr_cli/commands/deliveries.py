"""`singr deliveries`."""

from typing import Final

from singr_cli._declared import Command, Field, Group

COMMANDS: Final = Group(
    "Deliveries: statistics of messages.",
    (
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
