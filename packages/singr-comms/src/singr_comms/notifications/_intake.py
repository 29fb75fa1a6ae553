"""Messages that come in over HTTP: prepared on the ingestion's hot path, written with their jobs."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from singr_comms._errors import InvalidMessageError
from singr_comms.catalogue import MessageType, message_types
from singr_comms.models._fields import (
    DeviceName,
    HttpUrl,
    LongText,
    PersonName,
    PlainText,
    PushText,
    ShortHttpUrl,
    Title,
)
from singr_comms.models._message import Message, kind_of
from singr_comms.notifications._rows import INSERT_ROWS, MessageRow, row_for
from singr_comms.notifications.channels import WORK, work_of
from singr_comms.notifications.channels._work import MessageRequest
from singr_config.text import VISIBLE_RULE, has_visible
from singr_db import Sealer
from singr_jobs import IntakeError, ReservedError

_NAMES: Final = (PersonName, DeviceName, Title, LongText, PlainText, PushText)
_LINKS: Final = (HttpUrl, ShortHttpUrl)
_OURS: Final = "is sent by the platform itself; what may be sent here is {}"
_CALLED_LINKS: Final = ("link", "url")


@cache
def _names_in(message: type[Message]) -> tuple[str, ...]:
    """Which variables of a message name somebody or something to people, or are what it says."""
    return _variables(message, _NAMES)


@cache
def _links_in(message: type[Message]) -> tuple[str, ...]:
    """Which variables of a message lead somewhere, by their type or by what they are called."""
    called = [name for name in message.__struct_fields__ if name.endswith(_CALLED_LINKS)]
    return tuple(dict.fromkeys((*_variables(message, _LINKS), *called)))


def _variables(message: type[Message], types: tuple[Any, ...]) -> tuple[str, ...]:
    fields: Iterable[Any] = msgspec.structs.fields(message)
    return tuple(field.name for field in fields if any(kind in types for kind in (field.type, *get_args(field.type))))


def _open_kinds(channel: str) -> str:
    """What organizations may send by a channel, in words."""
    models = message_types.models(channel)
    return " or ".join(kind_of(model) for model in models if model.speaks_for == "organization")


class MessageIntake:
    """Turns requests for e-mails and SMS into a job and a sealed message row; one object serves all channels.

    Requests are expected as a strict decoder gives them: every bound of the models holds.

    Args:
        sealer: seals recipients and contents.
        link_origins: the sites that messages of organizations may lead to, such as `https://app.example`.
        allow_test: take addresses of `.test` too, as in development.
    """

    __slots__ = ("_allow_test", "_origins", "_sealer")

    insert: Final = INSERT_ROWS

    def __init__(self, sealer: Sealer, *, link_origins: Iterable[str] = (), allow_test: bool = False) -> None:
        self._sealer = sealer
        self._allow_test = allow_test
        self._origins = frozenset(filter(None, map(_origin, link_origins)))

    def check_organization(self, request: MessageRequest) -> None:
        """Let an organization ask for what speaks in its own name, and leads to known sites.

        Raises:
            ReservedError: the message speaks for the platform, or leads elsewhere.
        """
        for field, wrong in self.reserved(work_of(request).channel.name, request.message):
            raise ReservedError(f"message.{field}", wrong)

    def reserved(self, channel: str, message: Message) -> Iterator[tuple[str, str]]:
        """What an organization may not say: the variable, or `kind` for the whole, and what would be right."""
        if message.speaks_for != "organization":
            yield "kind", _OURS.format(_open_kinds(channel))
            return
        for variable in _links_in(type(message)):
            link = getattr(message, variable)
            if link is not None and _origin(link) not in self._origins:
                yield (
                    variable,
                    "must lead to an address of the platform; its operator can list others in MESSAGE_LINK_ORIGINS",
                )

    def refusals(self, channel: str, message: Message) -> Iterator[tuple[str, str, Literal["forbidden", "malformed"]]]:
        """What an organization is refused in a message of its own: the variable, what would be right, and a code.

        Asked wherever it says something: a job, a notification, a preview.
        """
        for field, wrong in self.reserved(channel, message):
            yield field, wrong, "forbidden"
        for field, wrong in self.check_names(message):
            yield field, wrong, "malformed"

    def reserved_type(self, declared: MessageType) -> str | None:
        """Why an organization may not send messages of a type, whatever they say; None where it may."""
        if declared.speaks_for == "organization":
            return None
        return _OURS.format(", ".join(sorted(one.name for one in message_types if one.speaks_for == "organization")))

    def check_names(self, message: Message) -> Iterator[tuple[str, str]]:
        """The variables that name somebody or something, or say it, and have nothing that can be seen."""
        for variable in _names_in(type(message)):
            value = getattr(message, variable)
            if value is not None and not has_visible(value):
                yield variable, VISIBLE_RULE

    def prepare(
        self, request: MessageRequest, *, job_id: UUID, organization_id: UUID, correlation_id: str | None
    ) -> tuple[msgspec.Struct, MessageRow]:
        """Return the job to store, which names the message, and the message row itself.

        Raises:
            IntakeError: a name has nothing that can be seen, the recipient cannot exist, or the message is too long for
                its channel. Names are asked for here and not by the models, so that people whose accounts got such a
                name before it was refused can still be written to.
        """
        for field, name in work_of(request).channel.names(request.to).items():
            if not has_visible(name):
                raise IntakeError(field, VISIBLE_RULE, code="malformed")
        for field, wrong in self.check_names(request.message):
            raise IntakeError(f"message.{field}", wrong, code="malformed")
        try:
            work_of(request).channel.check_size(request.message)
        except InvalidMessageError as error:
            raise IntakeError(".".join(filter(None, ("message", error.field))), error.message) from None
        for field, wrong in work_of(request).unreachable(request.to, allow_test=self._allow_test).items():
            raise IntakeError(field, wrong, code="malformed")
        row = row_for(
            request,
            sealer=self._sealer,
            job_id=job_id,
            organization_id=organization_id,
            correlation_id=correlation_id,
        )
        job: msgspec.Struct = work_of(request).job(row.id)
        return job, row


def message_intakes(
    sealer: Sealer, *, link_origins: Iterable[str] = (), allow_test: bool = False
) -> dict[type[msgspec.Struct], MessageIntake]:
    """The intake of each channel's job, as an ingestion takes them; arguments as for `MessageIntake`."""
    intake = MessageIntake(sealer, link_origins=link_origins, allow_test=allow_test)
    return {work.job: intake for work in WORK.values()}


def _origin(link: str) -> str | None:
    """Scheme, host and port as browsers compare them; None for what they might read in another way."""
    if any(character in link for character in "\\@") or not link.isprintable() or not link.isascii():
        return None
    try:
        parts = urlsplit(link)
        port = parts.port
    except ValueError:
        return None
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    if usual is None or not parts.hostname:
        return None
    return f"{parts.scheme}://{parts.hostname}:{usual if port is None else port}"
