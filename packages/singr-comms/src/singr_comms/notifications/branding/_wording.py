"""What keeps an organization from saying something in its own words: the place that they are for, and the words."""

from collections.abc import Iterator
from typing import Final

from singr_comms.catalogue import MessageType
from singr_comms.catalogue._given import is_name
from singr_comms.channels import CHANNELS
from singr_comms.models._message import Message
from singr_comms.rendering._formats import DEFAULT_LANGUAGE
from singr_comms.rendering._languages import locales_in
from singr_comms.rendering._own_words import LONGEST_SUBJECT, left_out_of_words, longest_text, too_long, wrong_in

_MOST: Final = {"email": 10_000, "sms": 480, "push": 400}


def not_open(declared: MessageType | None, channel: str, locale: str) -> Iterator[tuple[str, str]]:
    """What keeps a type from having words of an organization there."""
    if declared is None:
        yield "type", "is not known"
        return
    is_there = is_name(channel) and channel in declared.models
    if not is_there:
        yield "channel", f"must be a channel of this type: {', '.join(sorted(declared.models))}"
    if not may_be_worded(declared):
        yield "type", "speaks for the platform, or must reach its reader: its text cannot be changed"
    elif is_there and (left_out := left_out_of_words(declared.models[channel])):
        yield "type", f"tells more than a text can ({', '.join(left_out)}): its text cannot be changed"
    elif is_there:
        there = (DEFAULT_LANGUAGE, *sorted(locales_in(declared.folder, CHANNELS[channel].texts)))
        if locale not in there:
            yield "locale", f"must be a language this type has texts in: {', '.join(there)}"


def may_be_worded(declared: MessageType) -> bool:
    """Whether organizations may look and speak otherwise in messages of a type."""
    return declared.speaks_for == "organization" and not declared.mandatory


def wrong_words(model: type[Message], channel: str, text: str, subject: str | None) -> Iterator[tuple[str, str]]:
    """What is wrong with words of a good form, by field."""
    most = _MOST.get(channel, _MOST["email"])
    if len(text) > most:
        yield "text", f"must be at most {most:,} characters on this channel"
    if subject is not None and len(CHANNELS[channel].texts) == 1:
        yield "subject", "is for mails and pushes: a text message has no subject"
    for field, said, longest in (("subject", subject, LONGEST_SUBJECT), ("text", text, longest_text(channel))):
        if said is None:
            continue
        wrong = [*wrong_in(said, model)]
        if not wrong and len(said) <= most and (long := too_long(said, model, longest)):
            wrong.append(long)
        yield from ((field, one) for one in wrong)
    if subject is not None and not subject.isprintable():
        yield "subject", "must be one line, without control characters"
