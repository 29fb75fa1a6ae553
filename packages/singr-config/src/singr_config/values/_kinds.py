"""Kinds of values: how a variable's text is read, and how that is said to people."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from singr_config.constants import RateLimit
from singr_config.values._secret import Secret

_COUNTRY = 2
_SHOWN_LENGTH = 40
_PORTS = {"http": 80, "https": 443}
_WORD = re.compile(r"[!-~]+")
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.(?!-)[A-Za-z0-9_-]{1,63})*\.?")
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
_EMAIL_LENGTH = 254
_MAILBOX = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .'_-]{0,99} <([^<>]+)>")
_PHONE = re.compile(r"\+[1-9][0-9]{7,14}")
_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}

Chosen = TypeVar("Chosen", bound=StrEnum)

# Until then callbacks come, and the hours of messages are counted anew.
_FEWEST_DAYS = 14
_MOST_DAYS = 3650


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value.

    `parse` gets a text that is neither empty nor surrounded by white space, and raises ValueError saying what would
    be right. `secret` keeps the text out of every message, listing and example; `empty` is what an unset one is.
    `write` turns a value back into its text where that is not plain.
    """

    label: str
    parse: Callable[[str], Any]
    secret: bool = False
    empty: Any = ""
    write: Callable[[Any], str] | None = None


def shown(text: str, of: str = "") -> str:
    """Quote a value that is no secret, or an item of one, shortened, for a message.

    Where the value may be an address with a password, put into the wrong variable, it is not shown.
    """
    if any(sign in text + of for sign in ("://", "@")):
        return "a value with :// or @ (not shown here: it may hold a password)"
    return repr(text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…")


def text() -> Kind:
    """Any text on one line."""

    def parse(value: str) -> str:
        if not value.isprintable():
            raise ValueError("must be one line without control characters")
        return value

    return Kind("text", parse)


def matching(pattern: str, description: str) -> Kind:
    """A text that a pattern describes, such as an account number."""
    compiled = re.compile(pattern)

    def parse(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"must be {description}")
        return value

    return Kind("text", parse)


def integer(least: int, most: int, unit: str = "") -> Kind:
    """A whole number in plain ASCII digits."""
    span = f"a whole number from {least} to {most}"

    def parse(value: str) -> int:
        # int() also takes "1_000", " 7" and full-width digits; none of them belongs in a configuration
        if not re.fullmatch(r"[0-9]{1,15}", value) or not least <= int(value) <= most:
            raise ValueError(f"must be {span}{f' ({unit})' if unit else ''}, not {shown(value)}")
        return int(value)

    return Kind(f"{unit or 'number'}, {least} to {most}", parse)


def queue_rates() -> Kind:
    """Queues with how many of their jobs may start in how many seconds: `email=100/60, sms=10/1`."""
    return _by_name("queue", r"([1-9][0-9]{0,6})/([1-9][0-9]{0,4})", "jobs/seconds", "email=100/60")


def provider_rates() -> Kind:
    """Providers with how many messages they are given in how many seconds: `twilio=1/1, mailjet=600/60`."""
    return _by_name("provider", r"([1-9][0-9]{0,6})/([1-9][0-9]{0,4})", "messages/seconds", "twilio=1/1")


def queue_places() -> Kind:
    """Queues with how many of their jobs a process has in hand at once, 1000 at most, and seconds for each."""
    return _by_name("queue", r"(1000|[1-9][0-9]{0,2})/([1-9][0-9]{0,4})", "at once/seconds", "billing=4/120")


def _by_name(what: str, numbers: str, meaning: str, example: str, *, also: str = "-") -> Kind:
    def parse(value: str) -> tuple[tuple[str, int, int], ...]:
        found = [re.fullmatch(rf"([a-z][a-z0-9{also}]*)={numbers}", item, re.ASCII) for item in _items(value)]
        if not all(found) or len({match[1] for match in found if match}) < len(found):
            raise ValueError(f"must be {what}={meaning}, each {what} once, such as {example}, not {shown(value)}")
        return tuple((match[1], int(match[2]), int(match[3])) for match in found if match)

    def write(value: tuple[tuple[str, int, int], ...]) -> str:
        return ",".join(f"{name}={count}/{seconds}" for name, count, seconds in value)

    return Kind(f"{what}={meaning}, with commas", parse, write=write)


def category_days() -> Kind:
    """Categories of messages with the days that their words and they themselves are kept: `marketing=7/30`."""
    meaning = f"days of words/days of the message, {_FEWEST_DAYS} to {_MOST_DAYS} and words not longer"
    by_name = _by_name("category", r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})", meaning, "marketing=7/30", also="_")

    def parse(value: str) -> tuple[tuple[str, int, int], ...]:
        found: tuple[tuple[str, int, int], ...] = by_name.parse(value)
        for name, words, days in found:
            if not _FEWEST_DAYS <= days <= _MOST_DAYS or words > days:
                raise ValueError(f"must be category={meaning}, such as marketing=7/30, not {name}={words}/{days}")
        return found

    return Kind("category=days/days, with commas", parse, write=by_name.write)


def rate() -> Kind:
    """How many in how many seconds: `5/60`."""

    def parse(value: str) -> RateLimit:
        found = re.fullmatch(r"([1-9][0-9]{0,6})/([1-9][0-9]{0,6})", value)
        if found is None:
            raise ValueError(f"must be how many in how many seconds, such as 5/60, not {shown(value)}")
        return RateLimit(int(found[1]), int(found[2]))

    def write(value: RateLimit) -> str:
        return f"{value.limit}/{value.window}"

    return Kind("number/seconds", parse, write=write)


def fraction() -> Kind:
    """A number from 0 to 1."""

    def parse(value: str) -> float:
        if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", value) or not 0 <= float(value) <= 1:
            raise ValueError(f"must be a number from 0 to 1 such as 0.25, not {shown(value)}")
        return float(value)

    return Kind("number, 0 to 1", parse)


def boolean() -> Kind:
    """Yes or no in the usual spellings."""

    def parse(value: str) -> bool:
        if value.lower() not in _BOOLEANS:
            raise ValueError(f"must be true or false (1, 0, yes, no, on and off work as well), not {shown(value)}")
        return _BOOLEANS[value.lower()]

    return Kind("true or false", parse)


def choice(options: type[Chosen], aliases: Mapping[str, Chosen] | None = None) -> Kind:
    """One of an enumeration's values, or another name for one."""
    known = {**{option.value: option for option in options}, **(aliases or {})}
    names = ", ".join(known)

    def parse(value: str) -> Chosen:
        if value not in known:
            raise ValueError(f"must be one of {names}, not {shown(value)}")
        return known[value]

    return Kind(names, parse)


def email_address() -> Kind:
    """A bare e-mail address."""

    def parse(value: str) -> str:
        if len(value) > _EMAIL_LENGTH or not _EMAIL.fullmatch(value) or ".." in value:
            raise ValueError("must be an e-mail address such as noreply@example.com, without a name around it")
        return value

    return Kind("e-mail address", parse)


def mailbox() -> Kind:
    """An e-mail address with or without a name: `noreply@example.com` or `Singr <noreply@example.com>`."""

    def parse(value: str) -> str:
        named = _MAILBOX.fullmatch(value)
        address = named[1] if named else value
        if len(address) > _EMAIL_LENGTH or not _EMAIL.fullmatch(address) or ".." in address:
            raise ValueError("must be an e-mail address: noreply@example.com or Singr <noreply@example.com>")
        return value

    return Kind("e-mail address, may have a name", parse)


def e164() -> Kind:
    """A telephone number in E.164."""

    def parse(value: str) -> str:
        if not _PHONE.fullmatch(value):
            raise ValueError("must be a telephone number in E.164: + and 8 to 15 digits, such as +15555550100")
        return value

    return Kind("E.164 number", parse)


def host_name() -> Kind:
    """A host name or an IP address."""

    def parse(value: str) -> str:
        if not _HOST.fullmatch(value) and not _is_address(value):
            raise ValueError(f"must be a host name or an IP address, not {shown(value)}")
        return value

    return Kind("host", parse)


def domain() -> Kind:
    """A host's name in small letters, not an address: what a passkey can belong to."""

    def parse(value: str) -> str:
        name = value.lower()
        if not _HOST.fullmatch(name) or name.endswith(".") or _is_address(name):
            raise ValueError(f"must be a domain such as example.com, without scheme, port or path, not {shown(value)}")
        return name

    return Kind("domain", parse)


def networks() -> Kind:
    """A comma-separated list of IP addresses and networks."""

    def parse(value: str) -> tuple[str, ...]:
        items = _items(value)
        for item in items:
            try:
                ipaddress.ip_network(item, strict=False)
            except ValueError:
                said = shown(item, value)
                raise ValueError(
                    f"must list IP addresses or networks such as 10.0.0.0/8, with commas between; {said} is none"
                ) from None
        return items

    return Kind("networks, with commas", parse)


def countries() -> Kind:
    """A comma-separated list of countries."""

    def parse(value: str) -> tuple[str, ...]:
        items = tuple(item.upper() for item in _items(value))
        for item in items:
            if not (len(item) == _COUNTRY and item.isascii() and item.isalpha()):
                raise ValueError(
                    f"must list countries by two letters such as DE,AT,CH (ISO 3166); {shown(item, value)} is none"
                )
        return tuple(dict.fromkeys(items))

    return Kind("countries, with commas", parse, empty=(), write=",".join)


def web_url() -> Kind:
    """An http or https address; a slash at its end is dropped."""

    def parse(value: str) -> str:
        parts = split_url(value, ("http", "https"))
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not hold a user name or password")
        if parts.query or parts.fragment:
            raise ValueError("must end with its path: no ? and no #")
        return value.rstrip("/")

    return Kind("URL", parse)


def origins() -> Kind:
    """A comma-separated list of web origins."""

    def parse(value: str) -> tuple[str, ...]:
        found = []
        for item in _items(value):
            if item == "*":
                raise ValueError("must name each origin: * would let every web site act for a signed-in user")
            parts = split_url(item, ("http", "https"))
            if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
                raise ValueError("must list origins such as https://app.example.com, with neither path nor user name")
            found.append(origin_of(item))
        return tuple(dict.fromkeys(found))

    return Kind("origins, with commas", parse)


def directory() -> Kind:
    """An absolute path of a directory; it need not exist yet."""

    def parse(value: str) -> str:
        if not value.isprintable():
            raise ValueError("must be the path of a directory")
        return value

    return Kind("directory", parse)


def secret_text(least: int = 1, advice: str = "", pattern: str = "", description: str = "") -> Kind:
    """A secret on one line, at least `least` characters long; `advice` says how to get one of that length."""
    compiled = re.compile(pattern or r"[^\x00-\x1f\x7f]+")
    described = description or "one line without control characters"

    def parse(value: str) -> Secret:
        if len(value) < least:
            raise ValueError(f"must have at least {least} characters{f': {advice}' if advice else ''}")
        if not compiled.fullmatch(value):
            raise ValueError(f"must be {described}")
        return Secret(value)

    return Kind("secret", parse, secret=True, empty=Secret(""))


def secret_words(least: int) -> Kind:
    """A comma-separated list of secrets."""

    def parse(value: str) -> tuple[Secret, ...]:
        items = _items(value)
        if any(len(item) < least or not _WORD.fullmatch(item) for item in items):
            raise ValueError(f"must list former secrets, with commas between, each of at least {least} characters")
        return tuple(Secret(item) for item in items)

    return Kind("secrets, with commas", parse, secret=True)


def split_url(value: str, schemes: tuple[str, ...], *, need_host: bool = True) -> SplitResult:
    """Take an address apart; the ValueErrors that it raises never show the address, which may hold a password."""
    beginnings = " or ".join(f"{scheme}://" for scheme in schemes)
    if not _WORD.fullmatch(value):
        raise ValueError(f"must begin with {beginnings} and hold no spaces")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("must be a well-formed address whose port is a number from 1 to 65535") from None
    if parts.scheme not in schemes or not value[len(parts.scheme) :].startswith("://"):
        raise ValueError(f"must begin with {beginnings}")
    if port == 0 or (need_host and not (parts.hostname and (_HOST.fullmatch(parts.hostname) or ":" in parts.hostname))):
        raise ValueError(f"must name a host after {beginnings}")
    return parts


def origin_of(address: str) -> str:
    """Return the origin of an http or https address as browsers write it: without the port that its scheme has."""
    parts = urlsplit(address.lower())
    host = parts.hostname or ""
    port = "" if parts.port in {None, _PORTS[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _items(value: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in value.split(",") if item.strip())
