r"""Constrained types that message variables and recipients are made of.

The patterns hold in Python and in ECMAScript alike, so that the JSON Schema made from them means the same everywhere;
`(?![\s\S])` is the portable "and nothing after", where Python's `$` would let a final line feed through.
"""

from typing import Annotated, Final

from msgspec import Meta

from singr_comms.models._currencies import AMOUNT_PATTERN
from singr_comms.models._locale import LOCALE_PATTERN
from singr_config.text import ONE_LINE

_END: Final = r"(?![\s\S])"
# C0 and C1 controls, line and paragraph separators, direction overrides: nothing that a name needs, and everything
# that splits headers or hides text. Lone surrogates are refused by the JSON coder.
_LINE: Final = rf"^(?=\s*\S)[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+{_END}"
_SHOWN: Final = r"[^\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*"
# Forms of browsers end lines with CR LF; what is kept has LF alone.
TEXT_PATTERN: Final = rf"^(?=\s*\S){_SHOWN}(?:\r\n{_SHOWN})*{_END}"
"""Lines with visible text: no control characters but the ends of lines, and no direction overrides."""
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# No user info before the host: "https://singr.example@evil.example" must not pass for a link of ours.
_URL: Final = rf"^https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?(?:[/?#][!#-;=?-\[\]_a-z~]*)?{_END}"

_EMAIL: Final = rf"^(?![^@]{{65}}){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*{_END}"
_E164: Final = rf"^\+[1-9][0-9]{{6,14}}{_END}"
_CODE: Final = rf"^[0-9A-Z]{{4,10}}{_END}"
_IP: Final = rf"^[0-9A-Fa-f:.]+{_END}"
_DEVICE: Final = rf"^[A-Za-z0-9_:-]+{_END}"
_TOKEN: Final = rf"^[A-Za-z0-9._-]{{1,64}}{_END}"
_AMOUNT: Final = rf"^(?:{AMOUNT_PATTERN}){_END}"
# Days that there are: 31, 30 or 28 in a month, and February 29 in years that four divides, of centuries the fourth.
# No calendar of Python's has a year 0.
_DAY: Final = (
    r"(?!0000)(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
)
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_LOCAL_DAY: Final = rf"^{_DAY}{_END}"
_LOCAL_TIME: Final = rf"^{_DAY}T{_CLOCK}{_END}"
INSTANT_PATTERN: Final = rf"({_DAY})T({_CLOCK})Z"
"""A minute of UTC, its day and its time: what of a `Moment` is written in words."""

RULES: Final = {
    _LINE: "must be one line with visible text, without control characters or direction overrides",
    ONE_LINE: "must be one line without control characters or direction overrides",
    TEXT_PATTERN: "must contain visible text, without control characters or direction overrides; line ends (LF or CR"
    " LF) are allowed",
    _URL: "must be an address in ASCII that begins with http:// or https:// in small letters, without a user name,"
    " such as https://singrkaraoke.com/x",
    _EMAIL: "must be an e-mail address such as jane@example.org: in ASCII, without quotation marks or spaces, and with"
    " no dot at either end",
    _E164: "must be a phone number in E.164 form: +, then 7 to 15 digits, without spaces, such as +15555550100",
    _CODE: "must be 4 to 10 digits or capital letters, such as 042917",
    _IP: "must be an IPv4 or IPv6 address, such as 203.0.113.7",
    _DEVICE: "must be a Firebase registration token: 8 to 1,024 letters, digits, colons, hyphens or underscores",
    _TOKEN: "must be 1 to 64 letters, digits, dots, hyphens or underscores",
    LOCALE_PATTERN: "must be a language tag, optionally with script and region, such as de or pt-BR (BCP 47)",
    _AMOUNT: "must be a currency code (ISO 4217) and an amount below 1,000,000,000 in its decimals, such as EUR 12.50"
    " or JPY 1250",
    _LOCAL_DAY: "must be a date that there is, such as 2026-11-28",
    _LOCAL_TIME: "must be a local date and time that there is, such as 2026-11-28T17:00",
}
"""What each pattern asks for, for people."""

PersonName = Annotated[
    str, Meta(min_length=1, max_length=100, pattern=_LINE, description="One line, no control characters.")
]
"""Display name of a person or an organization: 1 to 100 characters on one line."""

DeviceName = Annotated[
    str,
    Meta(min_length=1, max_length=100, pattern=_LINE, description="One line.", examples=["Firefox on Linux"]),
]
"""What a device calls itself: 1 to 100 characters on one line."""

Moment = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=60,
        pattern=_LINE,
        description="In UTC (ISO 8601, minutes): the reader's language writes it. Other text is shown as it is.",
        examples=["2026-11-22T18:05Z"],
    ),
]
"""A date and a time: `2026-11-22T18:05Z`, which the reader's language writes, or 1 to 60 characters on one line."""

Title = Annotated[
    str, Meta(min_length=1, max_length=200, pattern=_LINE, description="One line, no control characters.")
]
"""Song title, artist or venue: 1 to 200 characters on one line."""

PlainText = Annotated[
    str, Meta(min_length=1, max_length=1600, pattern=TEXT_PATTERN, description="Line feeds are allowed.")
]
"""Free text of an SMS: 1 to 1,600 characters, line feeds allowed, no other control characters."""

PushText = Annotated[
    str, Meta(min_length=1, max_length=400, pattern=TEXT_PATTERN, description="Line feeds are allowed.")
]
"""Free text of a push: 1 to 400 characters, so that a message of them fits into 4,096 bytes."""

DeviceToken = Annotated[
    str,
    Meta(
        min_length=8,
        max_length=1024,
        pattern=_DEVICE,
        description="The registration token that Firebase gave the app.",
        examples=["bk3RNwTe3H0:CI2k_HHwgIpoDKCIZvvDMExUdFQ3P1"],
    ),
]
"""Registration token of a device: 8 to 1,024 characters."""

LongText = Annotated[
    str, Meta(min_length=1, max_length=10_000, pattern=TEXT_PATTERN, description="Line feeds are allowed.")
]
"""Free text of an e-mail: 1 to 10,000 characters, line feeds allowed, no other control characters."""

Reference = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=_LINE, description="One line.", examples=["A-1042"])
]
"""What an order or an invoice is called: 1 to 64 characters on one line."""

Amount = Annotated[
    str,
    Meta(
        pattern=_AMOUNT,
        description="Currency (ISO 4217) and amount below 1,000,000,000, with no more decimals than it has.",
        examples=["EUR 12.50"],
    ),
]
"""An amount of money below 1,000,000,000, which its reader's language writes: `EUR 12.50`."""

LocalDay = Annotated[str, Meta(pattern=_LOCAL_DAY, description="A day (ISO 8601).", examples=["2026-11-28"])]
"""A day, which its reader's language writes."""

LocalDateTime = Annotated[
    str,
    Meta(
        pattern=_LOCAL_TIME,
        description="Local date and time (ISO 8601) at the place it is about.",
        examples=["2026-11-28T17:00"],
    ),
]
"""A day and a time as clocks show it at the place that it is about, which its reader's language writes."""

GivenLocale = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=35,
        pattern=rf"^[A-Za-z]{{2,3}}(?:[-_][A-Za-z]{{4}})?(?:[-_](?:[A-Za-z]{{2}}|[0-9]{{3}}))?{_END}",
        description="A BCP 47 language tag: language and, if it matters, script and region.",
        examples=["de-AT"],
    ),
]
"""A language as people write it, such as `de_at` or `es-419`; kept as `canonical_locale` writes it."""

Locale = Annotated[str, Meta(pattern=LOCALE_PATTERN, description="BCP 47.", examples=["de"])]
"""A language, perhaps with script and region: `de`, `zh-Hant`, `pt-BR`."""

Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Rating = Annotated[int, Meta(ge=1, le=5)]

HttpUrl = Annotated[str, Meta(min_length=10, max_length=2048, pattern=_URL, examples=["https://singrkaraoke.com/x"])]
"""Absolute http or https URL in ASCII (RFC 3986), without user info."""

ShortHttpUrl = Annotated[
    str, Meta(min_length=10, max_length=512, pattern=_URL, examples=["https://singrkaraoke.com/x"])
]
"""As `HttpUrl`, short enough to leave an SMS room for words."""

EmailText = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=254,
        pattern=_EMAIL,
        description="An address as SMTP carries it: ASCII, international domains in their xn-- form.",
        examples=["jane@example.org"],
    ),
]
"""E-mail address (RFC 5321 dot-atom form, at most 254 characters, local part at most 64)."""

TimeToLive = Annotated[int, Meta(ge=1)]
E164 = Annotated[
    str, Meta(pattern=_E164, description="E.164: +, then 7 to 15 digits, without spaces.", examples=["+15555550100"])
]
"""Phone number in E.164 form: `+`, then 7 to 15 digits."""

Code = Annotated[str, Meta(pattern=_CODE, examples=["042917"])]
"""One-time code: 4 to 10 digits or capital letters."""

IpAddress = Annotated[str, Meta(min_length=2, max_length=45, pattern=_IP, examples=["203.0.113.7"])]
"""IPv4 or IPv6 address in text form."""

ExpiryMinutes = Annotated[int, Meta(ge=1, le=1440)]
ExpiryHours = Annotated[int, Meta(ge=1, le=720)]
ExpiryDays = Annotated[int, Meta(ge=1, le=365)]

Token = Annotated[str, Meta(pattern=_TOKEN)]
"""Idempotency token: 1 to 64 characters that are safe in a header, a Message-ID and a JSON field."""
