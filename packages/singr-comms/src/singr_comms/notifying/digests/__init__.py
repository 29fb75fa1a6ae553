"""What is kept for people instead of being sent at once, and comes to them in one mail a day or a week.

An item joins the window of its recipient, type and period that is open; a closing makes one mail of it, or none.
"""

from singr_comms.notifying.digests._closing import ClosedDigests, Digests
from singr_comms.notifying.digests._joining import JOINED, Period

__all__ = ["JOINED", "ClosedDigests", "Digests", "Period"]
