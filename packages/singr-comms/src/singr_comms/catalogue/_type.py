"""A type of message: its models by channel, the folder of its words, examples, and how it is to be treated."""

import re
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, get_args

from singr_comms._errors import DeclarationError, InvalidMessageError
from singr_comms.catalogue._categories import fault_in_names
from singr_comms.catalogue._example import Example
from singr_comms.catalogue._treatment import DAY, Quiet, fault_in_treatment
from singr_comms.channels import CHANNELS
from singr_comms.models._locale import canonical_locale
from singr_comms.models._message import Message, checked
from singr_comms.rendering._formats import DEFAULT_LANGUAGE
from singr_comms.rendering._languages import LOCALE, languages_of, locales_in
from singr_comms.rendering._templates import DEFAULT_BRAND, place, render

INBOX: Final = "inbox"
"""What people read in an app; it shows what a push says."""
WhenUnknown: TypeAlias = Literal["repeat", "settle", "flag"]
"""What becomes of a message that was perhaps sent."""
EXAMPLE_LINK: Final = "https://singr.example/go?token=a&b=c"
"""A link for examples, with characters that HTML must escape."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}", re.ASCII)
_EXPIRY: Final = frozenset({"expiry_minutes", "expiry_hours", "expiry_days"})
_TEXTS: Final = (".txt", ".html")


class MessageType:
    """One type of message. Its name is the tag of its models, which goes out as `kind`.

    Args:
        where: the package whose folder holds its words (`__name__` of the folder's `__init__.py`), or the folder.
        when_unknown: what becomes of a message that was perhaps sent, where the provider drops no copies. `settle`
            waits for the provider's own word, then asks it, and sends again what it certainly has not got; what cannot
            be found out is flagged for people. `repeat` sends again at once, where a second one does no harm and a
            missing one does, such as for a code. `flag` leaves it to people, without asking.
        examples: one for each model at least, with a parameter for each text that people type:
            `lambda user="Jane": ParcelReady(user_name=user, link=…)`. Its default is what they typically type, which
            previews show; suites render the examples with ordinary and hostile texts in every parameter.
        speaks_for: in whose name it speaks. What speaks for the platform, about people's accounts, is asked for by the
            platform alone.
        carries_code: it carries a code or a one-time link: it goes ahead of others, counts by itself against the limit
            per hour, is of no use after its own expiry (its models need `expiry_minutes`, `_hours` or `_days`),
            and its words are erased once it is sent.
        concerns_security: it must reach its reader: no limit per user holds it back.
        category: what people switch on and off together, such as `orders` or `marketing`.
        category_names: what that is called on pages for readers, by language and as within a sentence:
            `{"en": "rehearsals", "de": "Proben"}`. Once is enough for all types of a category; those that say it agree.
        mandatory: whether it cannot be switched off. What carries a code or concerns security is so by itself.
        opt_in: it goes to those alone who chose it, or its category, or whose organization did for all.
        time_to_live: seconds after which it is of no use and is not sent any more, a day unless said; what carries a
            code lives as long as its own expiry says.
        quiet: what becomes of it in its reader's quiet hours, where it is of a notification without high priority:
            `hold` until they end, `drop`, keep it for the `digest`, or `pass`, as what is mandatory always does.
        default_channels: by which it goes where nobody names channels; all that it has models for, unless said. What
            has a push may go into `inbox`es too, which show what that says.
        models: a model for each channel that it travels by: `email=ParcelReady`.

    Raises:
        DeclarationError: it is declared wrong; the message says what would be right.
    """

    def __init__(
        self,
        where: str | Traversable,
        /,
        *,
        examples: Sequence[Callable[..., Message]],
        when_unknown: WhenUnknown = "settle",
        speaks_for: Literal["platform", "organization"] = "platform",
        carries_code: bool = False,
        concerns_security: bool = False,
        category: str = "general",
        category_names: Mapping[str, str] | None = None,
        mandatory: bool = False,
        opt_in: bool = False,
        time_to_live: int | None = None,
        quiet: Quiet | None = None,
        default_channels: Sequence[str] | None = None,
        **models: type[Message],
    ) -> None:
        self.models: Final[Mapping[str, type[Message]]] = MappingProxyType(models)
        self.name: Final = _name_of(where, models)
        shown = {INBOX: models["push"]} if "push" in models else {}
        self.ways: Final[Mapping[str, type[Message]]] = MappingProxyType(models | shown)
        self.folder: Final = _folder_of(self.name, where)
        self.examples: Final = tuple(map(Example, examples))
        self.when_unknown: Final = when_unknown
        self.speaks_for: Final = speaks_for
        self.carries_code: Final = carries_code
        self.concerns_security: Final = concerns_security
        self.category: Final = category
        self._check(fault_in_names(category, category_names))
        self.category_names: Final[Mapping[str, str]] = MappingProxyType(dict(category_names or {}))
        self.mandatory: Final = mandatory or carries_code or concerns_security
        self.opt_in: Final = opt_in
        self.time_to_live: Final = DAY if time_to_live is None else time_to_live
        self.quiet: Final[Quiet] = quiet or ("pass" if self.mandatory else "hold")
        self.default_channels: Final = tuple(models) if default_channels is None else tuple(default_channels)
        self._check_flags()
        self._check_treatment(lives_by_itself=time_to_live is not None)
        self._check_words()
        self._check_examples()

    def __repr__(self) -> str:
        """The name, and where it lies."""
        return f"MessageType({self.name}, in {self.folder})"

    def samples(self) -> list[tuple[str, Message]]:
        """Each example as people would see it, behind its channel."""
        channels = {model: channel for channel, model in self.models.items()}
        return [(channels[type(message)], message) for message in (one.typical() for one in self.examples)]

    def try_out(self, name: str = "Jane") -> dict[str, list[str]]:
        """Render every example with the words of its channel, in each language; returns the texts, by channel.

        Raises:
            DeclarationError: one cannot be rendered; the message names it and says why.
        """
        found: dict[str, list[str]] = {}
        for model in self.models.values():
            place(model, self.folder)
        for message in (example(name) for example in self.examples):
            channel = next(channel for channel, model in self.models.items() if model is type(message))
            texts = CHANNELS[channel].texts
            for language in (DEFAULT_LANGUAGE, *sorted(locales_in(self.folder, texts))):
                found.setdefault(channel, []).extend(self._tried(message, channel, language))
        return found

    def _tried(self, message: Message, channel: str, language: str) -> list[str]:
        where = channel if language == DEFAULT_LANGUAGE else f"{channel} in {language}"
        try:
            valid = checked(message, type(message))
            texts = render(valid, DEFAULT_BRAND, *CHANNELS[channel].texts, locale=language)
        except InvalidMessageError as error:
            raise self._wrong(f"its example {type(message).__name__} breaks its own model: {error}") from error
        except Exception as error:  # whatever a text makes of its variables
            words = f"its words for {where} cannot be rendered ({type(error).__name__}: {error})"
            raise self._wrong(words) from error
        if not all(text.strip() for text in texts):
            raise self._wrong(f"a text of it for {where} says nothing")
        return texts

    def _wrong(self, words: str) -> DeclarationError:
        return DeclarationError(f"message type {self.name}: {words}")

    def _check(self, fault: str) -> None:
        if fault:
            raise self._wrong(fault)

    def _check_flags(self) -> None:
        for flag in ("carries_code", "concerns_security", "mandatory", "opt_in"):
            if not isinstance(getattr(self, flag), bool):
                raise self._wrong(f"{flag} must be True or False")
        if self.when_unknown not in get_args(WhenUnknown):
            raise self._wrong(f"when_unknown must be {', '.join(get_args(WhenUnknown)[:-1])} or flag")
        if self.speaks_for not in {"platform", "organization"}:
            raise self._wrong("speaks_for must be platform or organization")
        for channel, model in self.models.items():
            if self.carries_code and not _EXPIRY & set(model.__struct_fields__):
                raise self._wrong(
                    f"it carries a code, so its model for {channel} needs one of {', '.join(sorted(_EXPIRY))}"
                )

    def _check_treatment(self, *, lives_by_itself: bool) -> None:
        wrong = fault_in_treatment(
            category=self.category,
            time_to_live=self.time_to_live,
            quiet=self.quiet,
            channels=self.default_channels,
            ways=self.ways,
        )
        self._check(wrong)
        if self.carries_code and lives_by_itself:
            raise self._wrong("it carries a code, and lives as long as its expiry says: leave time_to_live out")
        if self.mandatory and self.opt_in:
            raise self._wrong("it is mandatory, so there is nothing to opt in to: leave opt_in out")
        if self.mandatory and self.quiet != "pass":
            raise self._wrong("it is mandatory, so quiet hours do not hold it: leave quiet out")

    def _check_words(self) -> None:
        known = {text for channel in CHANNELS.values() for text in channel.texts}
        needed = {text for channel in self.models for text in CHANNELS[channel].texts}
        there = (
            {one.name for one in self.folder.iterdir() if one.name.endswith(_TEXTS)} if self.folder.is_dir() else set()
        )
        missing, idle = sorted(needed - there), sorted((known - needed) & there)
        if missing:
            raise self._wrong(f"its words are missing: write {', '.join(missing)} in {self.folder}")
        if idle:
            raise self._wrong(f"{', '.join(idle)} in {self.folder} is of a channel that it has no model for: add one")
        for one in self.folder.iterdir():
            if one.is_dir() and not LOCALE.fullmatch(one.name) and known & {text.name for text in one.iterdir()}:
                right = canonical_locale(one.name)
                called = right if LOCALE.fullmatch(right) else "as BCP 47 has a language, such as de or pt-BR"
                raise self._wrong(f"nobody would read its words in {one.name} in {self.folder}: name it {called}")
        for language in languages_of(self.folder):
            self._check_language(language)

    def _check_language(self, language: Traversable) -> None:
        """For each channel a language has all texts or none: no message is in two."""
        there = {one.name for one in language.iterdir()}
        for channel in self.models:
            texts = CHANNELS[channel].texts
            missing = sorted(set(texts) - there)
            if missing and len(missing) < len(texts):
                words = (
                    f"its words in {language.name} for {channel} are missing: write {', '.join(missing)} in {language}"
                )
                raise self._wrong(words)

    def _check_examples(self) -> None:
        made = []
        for example in self.examples:
            try:
                made += [type(example("Jane")), type(example.typical())]
            except Exception as error:  # whatever the example's code does
                words = f"an example cannot be made ({type(error).__name__}: {error}); it is called with a name"
                raise self._wrong(words) from error
        for channel, model in self.models.items():
            if model not in made:
                raise self._wrong(
                    f"it has no example for {channel}: add `lambda name: {model.__name__}(…)` to its examples"
                )
        for other in set(made) - set(self.models.values()):
            raise self._wrong(f"one of its examples is a {other.__name__}, which is none of its models")


def _name_of(where: str | Traversable, models: Mapping[str, Any]) -> str:
    """The tag that all models share."""
    if not models:
        raise DeclarationError(f"message type in {where}: give it a model for a channel, such as email=…")
    for channel, model in models.items():
        if channel not in CHANNELS:
            raise DeclarationError(
                f"message type in {where}: there is no channel {channel}; there are {', '.join(sorted(CHANNELS))}"
            )
        if not (isinstance(model, type) and issubclass(model, Message)):
            raise DeclarationError(f"message type in {where}: its model for {channel} must be a subclass of Message")
    tags = {model.__struct_config__.tag for model in models.values()}
    name = next(iter(tags))
    if len(tags) != 1 or not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DeclarationError(
            f'message type in {where}: its models need one and the same tag="…" in small letters, digits and'
            f" underscores, at most 64, not {', '.join(sorted(map(repr, tags)))}"
        )
    return name


def _folder_of(name: str, where: str | Traversable) -> Traversable:
    if not isinstance(where, str):
        return where
    try:
        spec = find_spec(where)
    except (ImportError, TypeError, ValueError, AttributeError):
        spec = None
    if spec is None or spec.submodule_search_locations is None:  # newer Pythons give a module's folder as well
        raise DeclarationError(
            f"message type {name}: {where} is no package; declare it in the __init__.py of the folder that holds its"
            f" words, with __name__, or pass the folder"
        )
    return files(where)
