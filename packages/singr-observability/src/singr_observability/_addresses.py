"""One form for every address of a caller, before anything compares or counts it."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

_LONGEST: Final = 120
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052
_LONGEST_PORT: Final = 5


@lru_cache(maxsize=4096)
def address_of(text: str) -> Address | None:
    """Return the address that a peer or a proxy names; None for what names none.

    Taken are the forms that proxies send: with a port (`198.51.100.5:54321`, `[2001:db8::7]:443`), in brackets, quoted
    (RFC 7239), with a zone. An IPv6 address that stands for an IPv4 one is that one: mapped (`::ffff:198.51.100.5`),
    NAT64 (RFC 6052), 6to4 (RFC 3056) and Teredo (RFC 4380).
    """
    text = text.strip(" \t")
    if len(text) > _LONGEST or not text.isascii():
        return None
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    host = _without_port(text)
    if host is None:
        return None
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return address if isinstance(address, IPv4Address) else _embedded(address) or IPv6Address(int(address))


def site_of(address: Address) -> str:
    """Return whose requests are counted together: an IPv4 address, an IPv6 /64, which is one site (RFC 6177)."""
    if isinstance(address, IPv4Address) or address.is_loopback or address.is_link_local:
        return str(address)  # neighbours on one wire share a /64, and are not one another
    return str(ip_network((address, 64), strict=False))


def _without_port(text: str) -> str | None:
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or ":" not in host or not (port == "" or (port[0] == ":" and _is_port(port[1:]))):
            return None
        return host
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host if _is_port(port) and "." in host else None
    return text


def _is_port(text: str) -> bool:
    # RFC 7239, 6.3: a port, or a word in its place
    return (0 < len(text) <= _LONGEST_PORT and text.isdigit()) or text.startswith("_")


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.sixtofour is not None:
        return address.sixtofour
    return address.teredo[1] if address.teredo is not None else None
