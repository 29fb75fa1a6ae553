"""The doors that providers' callbacks come in by: found, built once, and asked by name."""

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Final

import msgspec

from singr_comms._collect import collected
from singr_comms._errors import CommsError
from singr_comms.inbound._callback import (
    Callback,
    Inbound,
    InboundType,
    News,
    OtherNews,
    UnreadableError,
    digest,
)
from singr_config import Settings
from singr_config.clock import clock

PATH: Final = "/v1/webhooks/"


class UnknownProviderError(CommsError, LookupError):
    """No provider calls back at this path."""


class Proved(msgspec.Struct, frozen=True, kw_only=True):
    """A callback that its provider sent.

    Args:
        provider: by name.
        callback: as it came; of the headers, those that are needed to read it again.
        news: what it says; of one that cannot be read, that it came.
    """

    provider: str
    callback: Callback
    news: Sequence[News]


@cache
def inbound_types() -> Mapping[str, InboundType]:
    """All providers that call back, by name."""
    found = collected("singr_comms.inbound", "INBOUND", InboundType)
    return MappingProxyType({one.name: one for one in found})


def secret_paths() -> Sequence[str]:
    """Beginnings of addresses that go on with a secret, so that whoever writes a path down leaves it out."""
    secret = [f"/{name}/" for name, one in inbound_types().items() if "*" in one.parts]
    return [PATH.removeprefix("/v1"), *secret]  # behind a name, too: the path before it may be what is wrong


class Doors:
    """Proves and reads callbacks. Building it calls nobody.

    Args:
        settings: hold the secrets, and the address by which providers reach this API.
    """

    def __init__(self, settings: Settings) -> None:
        self._address = settings.app.url_api.rstrip("/") + PATH
        self._built: dict[str, Inbound] = {name: one.build(settings) for name, one in inbound_types().items()}

    def prove(self, provider: str, callback: Callback) -> Proved:
        """Return what a provider sent.

        Raises:
            UnknownProviderError: there is no such provider, or it has no such part.
            ForgedError: it did not send this.
        """
        declared = inbound_types().get(provider)
        if declared is None or not (callback.part in declared.parts or ("*" in declared.parts and callback.part)):
            raise UnknownProviderError("no provider calls back at this address")
        path = f"{provider}/{callback.part}" if callback.part else provider
        whole = msgspec.structs.replace(callback, address=self._address + path)
        self._built[provider].prove(whole, now=clock.time())
        kept = {name: whole.headers[name] for name in declared.keeps if name in whole.headers}
        part = "" if "*" in declared.parts else callback.part  # else it is the secret
        stored = Callback(body=callback.body, part=part, query=callback.query, headers=kept)
        return Proved(provider=provider, callback=stored, news=self.read(provider, stored))

    def read(self, provider: str, callback: Callback) -> Sequence[News]:
        """Return what a callback says that was proved when it came; what cannot be read is one that is not known."""
        inbound = self._built.get(provider)
        if inbound is None:
            return [OtherNews(key=digest(callback.body), event="unknown")]
        try:
            return inbound.read(callback) or [OtherNews(key=digest(callback.body), event="empty")]
        except UnreadableError:
            return [OtherNews(key=digest(callback.body), event="unreadable")]
