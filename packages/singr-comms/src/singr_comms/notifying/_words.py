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
CHOSEN: Final = "digested chosen"
"""By this `digested` is found in `WORDS` where somebody chose it."""
WORDS: Final = {
    **{one.code: one.message for one in (CANCELLED, ERASED, OVER, UNQUIET)},
    "no_address": "the recipient has no address for this channel",
    MAILLESS: "the recipient has no e-mail address, by which digests come",
    "digested": "it is kept for the recipient's next digest",
    CHOSEN: "it is kept for the recipient's next digest, as was chosen ({rule})",
    QUIETLY_OVER: "the recipient's quiet hours end after it was of use",
    "no_device": "the recipient has no device that takes pushes",
    PREFERENCE: UNWANTED,
    **dict(CODES.values()),
}
"""By its code; `{rule}` is the rule that decided."""
