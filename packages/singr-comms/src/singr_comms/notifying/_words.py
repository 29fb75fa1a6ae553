"""Why somebody gets nothing by a channel: what each code means, in the same words as when an attempt says so."""

from typing import Final

from singr_comms.notifications.sending._suppressions import CODES
from singr_comms.notifications.sending._try import ERASED, OVER, PREFERENCE, UNQUIET, UNWANTED, Refused

CANCELLED: Final = Refused("cancelled", "its notification was cancelled before it was sent")
QUIETLY_OVER: Final = "expired quietly"
"""By this `expired` is found in `WORDS` where quiet hours are why."""
MAILLESS: Final = "no_address mailless"
"""By this `no_address` is found in `WORDS` where a digest has nowhere to go."""
NOWHERE: Final = {"email": "no_address", "sms": "no_address", "push": "no_device"}
"""Why somebody gets nothing by a channel who cannot be reached by it."""
EMPTY: Final = "digest_empty"
CHOSEN: Final = "digested chosen"
"""By this `digested` is found in `WORDS` where somebody chose it."""
STOPS: Final = {reason: code if reason == "bounced" else f"{code} {reason}" for reason, (code, _) in CODES.items()}
"""By these the codes of suppressions are found in `WORDS`: two reasons may have one."""
WORDS: Final = {
    **{one.code: one.message for one in (CANCELLED, ERASED, OVER, UNQUIET)},
    "no_address": "the recipient has no address for this channel",
    MAILLESS: "the recipient has no e-mail address, by which digests come",
    "digested": "it is kept for the recipient's next digest",
    CHOSEN: "it is kept for the recipient's next digest, as was chosen ({rule})",
    EMPTY: "everything in it was read, has expired or cannot be read any more",
    QUIETLY_OVER: "the recipient's quiet hours end after it was of use",
    "no_device": "the recipient has no device that takes pushes",
    PREFERENCE: UNWANTED,
    **{STOPS[reason]: words for reason, (_, words) in CODES.items()},
}
"""By its code; `{rule}` is the rule that decided."""
