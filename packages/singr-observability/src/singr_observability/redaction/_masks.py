"""Personal data in a form that still helps to tell two values apart."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_network

from singr_observability._addresses import address_of

_HIDDEN = "***"
_SHOWN_DIGITS = 4
_LEAST_DIGITS = 7


def mask_email(address: str) -> str:
    """Return `j***@x.org` for `jane@x.org`; `***` for what is no address."""
    local, at, domain = address.strip().rpartition("@")
    if not at or not local or not domain:
        return _HIDDEN
    return f"{local[0]}{_HIDDEN}@{domain}"


def mask_phone(number: str) -> str:
    """Return `+1******0100` for `+15555550100`: the first digit and the last four; `***` for what is too short."""
    digits = [character for character in number if character.isdigit()]
    if len(digits) < _LEAST_DIGITS:
        return _HIDDEN
    plus = "+" if number.lstrip().startswith("+") else ""
    hidden = "*" * (len(digits) - _SHOWN_DIGITS - 1)
    return f"{plus}{digits[0]}{hidden}{''.join(digits[-_SHOWN_DIGITS:])}"


@lru_cache(maxsize=4096)
def mask_address(host: str) -> str:
    """Return the network of a client address: `203.0.113.0` (/24), `2001:db8:1::` (/48); `***` for what is none."""
    address = address_of(host)
    if address is None:
        return _HIDDEN
    if address.is_loopback:
        return str(address)
    prefix = 48 if isinstance(address, IPv6Address) else 24
    return str(ip_network((address, prefix), strict=False).network_address)
