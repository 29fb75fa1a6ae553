"""What sending asks of database and queue, by channel: each plainly named module declares the work of one."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from singr_comms._collect import collected
from singr_comms.catalogue import message_types
from singr_comms.notifications.channels._work import ChannelWork, MessageRequest
from singr_config import LimitSettings

WORK: Final[Mapping[str, ChannelWork]] = MappingProxyType(
    {work.channel.name: work for work in collected(__name__, "WORK", ChannelWork)}
)
"""The work of every channel, by the channel's name."""
_BY_REQUEST: Final = {work.request: work for work in WORK.values()}


def work_of(request: MessageRequest | type[MessageRequest]) -> ChannelWork:
    """The work of the channel that a request, or a type of requests, is for.

    Raises:
        TypeError: it is no request.
    """
    kind = request if isinstance(request, type) else type(request)
    found = _BY_REQUEST.get(kind) or next((_BY_REQUEST[base] for base in kind.__mro__ if base in _BY_REQUEST), None)
    if found is None:
        raise TypeError(
            f"{kind.__name__} asks for no message; there are {', '.join(one.__name__ for one in _BY_REQUEST)}"
        )
    return found


def rates_of(limits: LimitSettings) -> dict[str, Mapping[str, int]]:
    """How many messages there may be, by channel: `per_hour` to one reader, `per_day` of one organization."""
    return {
        "per_hour": {name: work.per_hour(limits) for name, work in WORK.items()},
        "per_day": {name: work.per_day(limits) for name, work in WORK.items()},
    }


def request_type(work: ChannelWork) -> type[Any]:
    """What callers may send over HTTP: with the message types that this process knows now."""
    models = message_types.models(work.channel.name)
    [ours] = [field.type for field in msgspec.structs.fields(work.request) if field.name == "message"]
    union = message_types.union(work.channel.name)
    if union == ours or not models:
        return work.request
    return msgspec.defstruct(
        work.request.__name__,
        [("message", union)],
        bases=(work.request,),
        module=work.request.__module__,
        namespace={"__doc__": work.request.__doc__},
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )
