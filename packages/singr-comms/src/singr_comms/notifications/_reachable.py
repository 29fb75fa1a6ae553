"""Whether a recipient that is well written can exist at all."""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from singr_comms.channels.email import EmailAddress

_WRONG: Final[Mapping[int, str]] = MappingProxyType(
    {
        phonenumbers.ValidationResult.INVALID_COUNTRY_CODE: "its country code does not exist",
        phonenumbers.ValidationResult.TOO_SHORT: "it has too few digits for its country",
        phonenumbers.ValidationResult.TOO_LONG: "it has too many digits for its country",
        phonenumbers.ValidationResult.INVALID_LENGTH: "its country has no numbers of this length",
        phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "its area code is missing",
    }
)

# Mexico dropped the 1 of its mobile numbers in 2019, and carriers still send it: no message goes to such a number.
_MEXICAN: Final = re.compile(r"\+52(?P<line>[2-9][0-9]{9})", re.ASCII)
_MEXICAN_MOBILE: Final = re.compile(r"\+521(?P<line>[2-9][0-9]{9})", re.ASCII)
# Argentina's have a 9 for who calls from abroad; text messages reach them with it and without. No area code has one.
_ARGENTINE: Final = re.compile(r"\+549?(?P<line>[1-8][0-9]{9})", re.ASCII)

# The first digits tell what to leave out, and no error holds a whole number.
_NOT_E164: Final = (
    "must be in E.164 form, as this number is written everywhere: it begins with {}, without what is dialled before"
    " that inside its country, such as 0"
)


def unreachable_email(to: EmailAddress, *, allow_test: bool) -> dict[str, str]:
    """What is wrong with an address, by field, as `wrong_email` tells it."""
    wrong = wrong_email(to.email, allow_test=allow_test)
    return {"to.email": wrong} if wrong else {}


def wrong_email(address: str, *, allow_test: bool) -> str | None:
    """What is wrong with an address whose form was checked: a domain that no mail reaches (RFC 2606, 6761).

    Nothing is looked up: a domain that could exist may not.

    Args:
        address: it.
        allow_test: let `.test` pass.

    Returns:
        What follows the field's name, and never the address; None where nothing is wrong.
    """
    return _wrong_domain(address.rpartition("@")[2].lower(), allow_test=allow_test)


def unreachable_phone(to: str, *, allow_test: bool) -> dict[str, str]:  # noqa: ARG001 - as for an address
    """What is wrong with a number, by field, as `wrong_phone` tells it."""
    wrong = wrong_phone(to)
    return {"to": wrong} if wrong else {}


def wrong_phone(number: str) -> str | None:
    """What is wrong with a number of the form of E.164: its country cannot have it, or it is another way to write one.

    A number that is possible but not assigned to anybody, such as those for examples, passes: plans of numbers change.
    One with the 0 that is dialled inside its country would reach whoever has the number without it, past the limits
    and the STOP of that one. It is refused and not mended, so that its caller stores the one form.

    Returns:
        What follows the field's name, and never the whole number; None where nothing is wrong.
    """
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        wrong = _WRONG[phonenumbers.ValidationResult.INVALID_COUNTRY_CODE]
    else:
        result = phonenumbers.is_possible_number_with_reason(parsed)
        if result == phonenumbers.ValidationResult.IS_POSSIBLE:
            right = _e164(parsed)
            return None if right == number else _NOT_E164.format(right[: len(str(parsed.country_code)) + 3])
        wrong = _WRONG.get(result, "its country has no such numbers")
    return f"must be a valid phone number, such as +15555550100: {wrong}"


def ways_to_write(recipient: str) -> tuple[str, ...]:
    """A recipient as it is written, and the other numbers that lead to the same telephone, or that it answers from.

    They are its E.164 form where it is written in another way, and the number with or without the digit that mobile
    numbers of its country have, or had, behind the calling code.
    """
    if not recipient.startswith("+") or "@" in recipient:
        return (recipient,)
    right = as_sent_to(recipient)
    return tuple(dict.fromkeys((recipient, right, *_with_and_without(right))))


def as_sent_to(recipient: str) -> str:
    """A phone number that came from outside, in the form in which messages are sent to it."""
    old = _MEXICAN_MOBILE.fullmatch(recipient)
    if old:
        return f"+52{old['line']}"
    try:
        return _e164(phonenumbers.parse(recipient))
    except phonenumbers.NumberParseException:
        return recipient


def _with_and_without(number: str) -> tuple[str, ...]:
    for form, code, mobile in ((_MEXICAN, "+52", "1"), (_ARGENTINE, "+54", "9")):
        found = form.fullmatch(number)
        if found:
            return (f"{code}{found['line']}", f"{code}{mobile}{found['line']}")
    return ()


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=4096)
def _wrong_domain(domain: str, *, allow_test: bool) -> str | None:
    # The part before it was checked by the model's pattern, which is stricter.
    try:
        validate_email(f"x@{domain}", check_deliverability=False, test_environment=allow_test)
    except EmailNotValidError as error:
        return f"must be a valid e-mail address, such as jane@example.org: {_small(str(error))}"
    return None


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")
