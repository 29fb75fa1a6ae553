"""What is answered of devices."""

import msgspec

from singr_comms.people import DeviceView


class DeviceList(msgspec.Struct, frozen=True):
    """All devices of a person, the one used last first; 100 at most."""

    items: tuple[DeviceView, ...]
