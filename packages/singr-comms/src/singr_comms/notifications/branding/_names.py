"""Names that organizations write as: their brand's, or their own where they have no brand."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import msgspec

from singr_comms.models._fields import PersonName
from singr_comms.rendering._brand import OrganizationBrand
from singr_comms.rendering._formats import DEFAULT_LANGUAGE
from singr_comms.rendering._own_words import names_site
from singr_config.names import PublicNameError, check_public_name

_ELSEWHERE: Final = ("[[", "{{", "=?")
_LONGEST_SENDER: Final = 100
_SENDER: Final = "{name} via {platform}"
_SOMEBODY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "en": "An organization on {platform}",
        "de": "Eine Organisation bei {platform}",
        "ar": "إحدى المؤسسات على {platform}",
    }
)


def wrong_lines(text: str) -> Iterator[str]:
    """What is wrong with lines that stand in each of an organization's mails."""
    if any(one in text for one in _ELSEWHERE):
        yield "must not contain [[, {{ or =?, which some mail programs interpret"
    if any(map(names_site, text.splitlines())):
        yield "must not contain a web address: mails link to known sites only"


def brand_by_name(
    name: str, platform: OrganizationBrand, own_names: tuple[str, ...], locale: str | None
) -> OrganizationBrand:
    """What an organization wears that has no brand: the platform's look, and its own name.

    Args:
        name: the organization's; one that no brand could have stands nowhere, and its messages say that they come from
            some organization.
        platform: what the platform wears.
        own_names: what the platform itself writes as.
        locale: the language of the message.
    """
    if not is_fit_name(name, own_names):
        words = _SOMEBODY.get(locale or DEFAULT_LANGUAGE, _SOMEBODY[DEFAULT_LANGUAGE])
        somebody = words.format(platform=platform.name)
        return msgspec.structs.replace(platform, name=somebody, sender=somebody)
    room = _LONGEST_SENDER - len(_SENDER.format(name="", platform=platform.name))
    short = name if len(name) <= room else f"{name[: max(room - 1, 1)].rstrip()}…"
    return msgspec.structs.replace(platform, name=name, sender=_SENDER.format(name=short, platform=platform.name))


@lru_cache(maxsize=4_096)
def is_fit_name(name: str, own_names: tuple[str, ...]) -> bool:
    """Whether a brand could be called so, and the platform's own mails may say it.

    It is remembered, since it takes milliseconds to look for names in a name.

    Args:
        name: of an organization, or of whoever acts for one.
        own_names: what the platform itself writes as, which nobody else may be called.
    """
    try:
        msgspec.convert(name, PersonName)
        check_public_name(name, own_names)
    except (msgspec.ValidationError, PublicNameError):
        return False
    return not any(wrong_lines(name))
