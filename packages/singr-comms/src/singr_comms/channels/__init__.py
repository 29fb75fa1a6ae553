"""How messages travel: each module that has no underscore declares one channel, and is listed nowhere else."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from singr_comms._collect import collected
from singr_comms.channels._channel import LAST, Channel

CHANNELS: Final[Mapping[str, Channel[Any, Any]]] = MappingProxyType(
    {channel.name: channel for channel in collected(__name__, "CHANNEL", Channel)}  # type: ignore[type-abstract] # looked for, never made
)
"""Every channel, by name."""


def in_order(ways: Iterable[str]) -> tuple[str, ...]:
    """Channels, once each, in the order in which people read of them: an inbox, which is none itself, comes last."""
    places = {one.name: one.listed for one in CHANNELS.values()}
    return tuple(sorted(set(ways), key=lambda way: (places.get(way, LAST + 1), way)))
