"""One form for every address of a caller, before anything compares or counts it."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_LONGEST: Final = 120
_LONGEST_PORT: Final = 5
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052
_IPV4_BITS: Final = 32
_IPV4: Final = 0xFFFF_FFFF


@lru_cache(maxsize=4096)
def address_of(text: str) -> Address | None:
    """Return the address that a peer or a proxy names; None for what names none.

    Taken are the forms that are sent: with a port (`198.51.100.5:54321`, `[2001:db8::7]:443`), in brackets, in
    quotation marks (RFC 7239), with a zone. An IPv4-mapped address (`::ffff:198.51.100.5`) is the IPv4 address.
    """
    text = text.strip(" \t")
    if len(text) > _LONGEST or not text.isascii():
        return None
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    try:
        address = ip_address(_without_port(text).partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return networks such as `10.0.0.0/8`; those of IPv4-mapped addresses as what they stand for."""
    return tuple(_unmapped(ip_network(text, strict=False)) for text in texts)


def within(address: Address, networks: Iterable[Network]) -> bool:
    """Tell whether an address lies in one of the networks."""
    return any(address in network for network in networks)


def site_of(address: Address) -> str:
    """Return by what the requests of a caller are counted.

    An IPv4 address; the one behind a NAT64 (RFC 6052), 6to4 (RFC 3056) or Teredo address (RFC 4380), where it is a
    public one; else the IPv6 /64, which is one site (RFC 6177). Who may be trusted is no question for this: anybody on
    the IPv6 internet can claim to stand for 127.0.0.1.
    """
    if isinstance(address, IPv4Address):
        return str(address)
    embedded = _embedded(address)
    if embedded is not None and embedded.is_global:
        return str(embedded)
    if address.is_loopback or address.is_link_local or address in _NAT64:
        return str(IPv6Address(int(address)))  # neighbours on one wire share a /64, and are not one another
    return str(ip_network((address, 64), strict=False))


def _without_port(text: str) -> str:
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        fits = bracket and ":" in host and (not port or (port[0] == ":" and _is_port(port[1:])))
        return host if fits else ""
    host, colon, port = text.partition(":")
    if colon and "." in host:
        return host if _is_port(port) else ""
    return text


def _is_port(text: str) -> bool:
    # RFC 7239, 6.3: a port, or a word in its place
    return text.startswith("_") or (len(text) <= _LONGEST_PORT and (not text or text.isdigit()))


def _unmapped(network: Network) -> Network:
    if isinstance(network, IPv4Network) or not network.subnet_of(_MAPPED):
        return network
    return IPv4Network((int(network.network_address) & _IPV4, network.prefixlen - (128 - _IPV4_BITS)))


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & _IPV4)
    if address.sixtofour is not None:
        return address.sixtofour
    return address.teredo[1] if address.teredo is not None else None
