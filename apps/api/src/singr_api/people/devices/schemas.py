"""What is answered of devices."""

import msgspec

from singr_comms.people import DeviceView


class DeviceList(msgspec.Struct, frozen=True):
    """All devices of a person, most recently used first; at most 100."""

    items: tuple[DeviceView, ...]
