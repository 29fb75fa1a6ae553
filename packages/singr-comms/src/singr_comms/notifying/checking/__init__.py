"""What is wrong with a notification that is asked for, but for what the database knows; and what it says."""

from singr_comms.notifying.checking._checking import Address, Checked, Looked, look_at
from singr_comms.notifying.checking._saying import EVERYBODY

__all__ = ["EVERYBODY", "Address", "Checked", "Looked", "look_at"]
