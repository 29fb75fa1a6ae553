"""How messages travel: each module that has no underscore declares one channel, and is listed nowhere else."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from singr_comms._collect import collected
from singr_comms.channels._channel import Channel

CHANNELS: Final[Mapping[str, Channel[Any, Any]]] = MappingProxyType(
    {channel.name: channel for channel in collected(__name__, "CHANNEL", Channel)}  # type: ignore[type-abstract] # looked for, never made
)
"""Every channel, by name."""
