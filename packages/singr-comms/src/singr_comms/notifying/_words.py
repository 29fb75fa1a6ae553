"""Why somebody gets nothing by a channel: what each code means, in the same words as when an attempt says so."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from singr_comms.catalogue import INBOX, message_types
from singr_comms.notifications import SendingExplanation, SendingQuestion, SendingReason
from singr_comms.notifications.sending import _try
from singr_comms.notifications.sending._suppressions import CODES
from singr_comms.notifications.sending._try import ERASED, OVER, PREFERENCE, UNQUIET, UNWANTED, Refused
from singr_config.clock import clock

CANCELLED: Final = Refused("cancelled", "its notification was cancelled before it was sent")
QUIETLY_OVER: Final = "expired quietly"
"""By this `expired` is found in `WORDS` where quiet hours are why."""
MAILLESS: Final = "no_address mailless"
"""By this `no_address` is found in `WORDS` where a digest has nowhere to go."""
NOWHERE: Final = {"email": "no_address", "sms": "no_address", "push": "no_device"}
"""Why somebody gets nothing by a channel who cannot be reached by it."""
EMPTY: Final = "digest_empty"
UNREADABLE: Final = "unreadable"
CHOSEN: Final = "digested chosen"
"""By this `digested` is found in `WORDS` where somebody chose it."""
BESIDE: Final = "digested beside"
"""By this `digested` is found in `WORDS` where another channel had it kept for a digest that comes otherwise."""
STOPS: Final = {reason: code if reason == "bounced" else f"{code} {reason}" for reason, (code, _) in CODES.items()}
"""By these the codes of suppressions are found in `WORDS`: two reasons may have one."""
WORDS: Final = {
    **{one.code: one.message for one in (CANCELLED, ERASED, OVER, UNQUIET)},
    "no_address": "the recipient has no address for this channel",
    MAILLESS: "the recipient has no e-mail address, by which digests come",
    "digested": "it is kept for the recipient's next digest",
    CHOSEN: "it is kept for the recipient's next digest, as was chosen ({rule})",
    BESIDE: "it is kept once for all channels, and comes in the digest of the one that was decided first",
    EMPTY: "everything in it was read, has expired or cannot be read any more",
    UNREADABLE: "for 30 days nobody could open it: AUTH_SECRET_PREVIOUS lacked the secret that sealed it, it was"
    " altered, or no process knew its type",
    QUIETLY_OVER: _try.QUIETLY_OVER.message,
    "no_device": "the recipient has no device that takes pushes",
    PREFERENCE: UNWANTED,
    **{STOPS[reason]: words for reason, (_, words) in CODES.items()},
}
"""By its code; `{rule}` is the rule that decided."""
UNKNOWN: Final = Refused(
    "unknown_recipient", "the organization has no recipient with this id: none was ever created, or they were erased"
)


def inbox_told(
    question: SendingQuestion,
    stops: Sequence[SendingReason],
    rule: str | None,
    *,
    is_known: bool,
    at: datetime | None = None,
) -> SendingExplanation:
    """What becomes of an item of an inbox: it takes no provider, and has no limit."""
    outcome: Literal["sent", "stopped", "refused"] = "sent" if not stops else "stopped" if is_known else "refused"
    return SendingExplanation(
        outcome=outcome,
        in_words=f"It would not be put into the inbox: {stops[0].in_words}."
        if stops
        else "It would be in the inbox at once.",
        channel=INBOX,
        kind=question.kind,
        recipient=None,
        at=question.at or at or clock.now(),
        provider=None,
        rule=rule,
        reasons=tuple(msgspec.structs.replace(one, decides=place == 0) for place, one in enumerate(stops)),
        providers=(),
    )


def kept_for(row: Any) -> SendingReason:
    """What somebody waits for who has chosen one mail a day or a week."""
    words = f"it is kept for their {row.period} digest, as was chosen, which is closed at {_at(row.digest_at)}"
    return SendingReason(code="digested", in_words=words, rule=row.period_rule, until=row.digest_at)


def quiet_for(
    until: datetime, moment: datetime, kind: str, row: Any
) -> tuple[tuple[SendingReason, ...], SendingReason | None]:
    """What quiet hours do to a message, as the decision has it: stop it, or what it waits for."""
    declared = message_types.named(kind)
    if declared is not None and declared.quiet == "digest" and row.is_mailed:
        words = "its recipient's quiet hours have begun, and it is kept for their digest, which is closed at"
        words = f"{words} {_at(row.digest_at)}"
        return (), SendingReason(code="digested", in_words=words, until=row.digest_at)
    if declared is not None and until >= moment + timedelta(seconds=declared.time_to_live):
        return (SendingReason(code=OVER.code, in_words=WORDS[QUIETLY_OVER]),), None
    words = f"its recipient's quiet hours last until {_at(until)}"
    return (), SendingReason(code=UNQUIET.code, in_words=words, until=until)


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def reason_of(refused: Refused) -> SendingReason:
    return SendingReason(code=refused.code, in_words=refused.message, rule=refused.rule)
