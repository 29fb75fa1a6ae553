"""Which types of message there are. Ours are found in their folders; a service adds its own."""

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any, Final, Union

from singr_comms._collect import collected
from singr_comms._errors import DeclarationError, InvalidMessageError
from singr_comms.catalogue._categories import OURS
from singr_comms.catalogue._type import MessageType, WhenUnknown
from singr_comms.channels import CHANNELS
from singr_comms.models._message import Message, kind_of
from singr_comms.rendering._templates import place

ENTRY_POINTS: Final = "singr_comms.message_types"
"""The group of entry points by which an installed distribution names its package of message types."""


class MessageTypes:
    """A catalogue of message types, by name.

    The process's own is `message_types`: what is queued, sent and read there is of one of its types. A service adds
    its own when it is imported; API and worker also take what installed distributions name in the group of entry points
    `singr_comms.message_types`.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, MessageType] = {}
        self._by_model: dict[type[Message], MessageType] = {}
        self._installed = False

    def add(self, *types: MessageType) -> None:
        """Add types; one that is there already is passed.

        Raises:
            DeclarationError: another type has this name or this model, or calls its category otherwise; nothing was
                added then.
        """
        names, models = dict(self._by_name), dict(self._by_model)
        for one in types:
            known = names.setdefault(one.name, one)
            if known is not one:
                raise DeclarationError(
                    f"message type {one.name}: there is one of this name already, in {known.folder}; choose another tag"
                )
            for model in one.models.values():
                if models.setdefault(model, one) is not one:
                    raise DeclarationError(f"message type {one.name}: {model.__name__} is of another type already")
            _check_category(one, names.values())
        for one in types:
            self._by_name[one.name] = one
            for model in one.models.values():
                self._by_model[model] = one
                model.speaks_for = one.speaks_for
                place(model, one.folder)
            for channel, model in one.models.items():
                CHANNELS[channel].accept(model)

    def add_package(self, package: str) -> None:
        """Add the types that the modules of a package declare, each as `MESSAGE_TYPE`.

        Every example is rendered first, so that words with a misspelt variable fail here and not in a worker.

        Args:
            package: its name, such as `acme.messages`; modules that begin with an underscore are passed.

        Raises:
            DeclarationError: a module declares none, or a wrong one, or one whose name is taken; nothing was added.
        """
        types = collected(package, "MESSAGE_TYPE", MessageType)
        for one in types:
            one.try_out()
        self.add(*types)

    def add_installed(self) -> None:
        """Add what installed distributions declare; once, however often it is called.

        Raises:
            DeclarationError: one of them cannot be added; the message names it.
        """
        if self._installed:
            return
        for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
            try:
                self.add_package(point.value)
            except ImportError as error:
                raise DeclarationError(
                    f"entry point {point.name} in {ENTRY_POINTS} names {point.value}, which cannot be imported: {error}"
                ) from error
        self._installed = True

    def __iter__(self) -> Iterator[MessageType]:
        return iter(self._by_name.values())

    def named(self, name: str) -> MessageType | None:
        """The type of that name; None where this process knows none."""
        return self._by_name.get(name)

    def of(self, message: Message) -> MessageType:
        """The type of a message; raises InvalidMessageError where it is of none."""
        try:
            return self._by_model[type(message)]
        except KeyError:
            raise InvalidMessageError(
                "message", f"{type(message).__name__} is of no declared type: add its MessageType to message_types"
            ) from None

    def models(self, channel: str) -> tuple[type[Message], ...]:
        """The models of a channel, as the documents list them."""
        found = [one.models[channel] for one in self if channel in one.models]
        return tuple(sorted(found, key=lambda model: (model.listed, kind_of(model))))

    def union(self, channel: str) -> Any:
        """The models of a channel as one type, for msgspec."""
        return Union[self.models(channel)]  # noqa: UP007 - made of what there is

    def carries_code(self, name: str) -> bool:
        """Whether messages of that type carry a code or a one-time link."""
        found = self._by_name.get(name)
        return found is not None and found.carries_code

    def concerns_security(self, name: str) -> bool:
        """Whether messages of that type must reach their reader."""
        found = self._by_name.get(name)
        return found is not None and found.concerns_security

    def category_names(self, category: str) -> Mapping[str, str]:
        """What a category is called, by language, as far as this process knows: nothing where no type of it says so."""
        found = dict(OURS.get(category, {}))
        for one in self:
            if one.category == category:
                found |= one.category_names
        return found

    def when_unknown(self, name: str) -> WhenUnknown:
        """What becomes of a message that was perhaps sent; of a type that is not known here, people decide."""
        found = self._by_name.get(name)
        return "flag" if found is None else found.when_unknown


def _check_category(one: MessageType, others: Iterable[MessageType]) -> None:
    """A category has one name in a language; raises DeclarationError."""
    for other in others:
        if other.category == one.category:
            for language in one.category_names.keys() & other.category_names.keys():
                ours, theirs = one.category_names[language], other.category_names[language]
                if ours != theirs:
                    raise DeclarationError(
                        f"message type {one.name}: category_names calls {one.category} {ours!r} in {language}, and"
                        f" {other.name} calls it {theirs!r}: give it one name, at one of them or the same at both"
                    )


message_types: Final = MessageTypes()
"""Every type of message that this process knows."""
