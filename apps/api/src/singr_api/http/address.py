"""Where a request comes from, believing only proxies that are named in the settings."""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final

from singr_observability import address_of, networks_of, site_of, within

SCHEME: Final = b":scheme"
"""Under this name the scheme of a request stands beside its headers, whose names have no colon."""

_MOST_HOPS: Final = 20


def address_reader(trusted: Sequence[str]) -> Callable[[tuple[str, int] | None, Mapping[bytes, bytes]], str]:
    """Return a function that names the caller of a request, from its socket's peer and its headers.

    Of `X-Forwarded-For`, all its lines together, the right-most address that is no trusted proxy is taken: what stands
    left of it, the caller may have written. Every form of an address comes to one name: an IPv4 address, or the /64 of
    an IPv6 one. Where a trusted proxy names nobody (`unknown`, an obfuscated word, garbage), the caller is known by
    that proxy, and by nothing that stands left of it.
    """
    networks = networks_of(trusted)

    def read(peer: tuple[str, int] | None, headers: Mapping[bytes, bytes]) -> str:
        address = address_of(peer[0]) if peer is not None else None
        if address is None:
            return "local"
        if networks and within(address, networks):
            hops = headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
            for hop in reversed([hop for hop in hops if hop.strip()][-_MOST_HOPS:]):
                named = address_of(hop)
                if named is None:
                    break
                address = named
                if not within(named, networks):
                    break
        return site_of(address)

    return read


def scheme_reader(trusted: Sequence[str]) -> Callable[[MutableMapping[str, Any], Mapping[bytes, bytes]], bytes]:
    """Return a function that tells by which scheme a request was sent: `http` or `https`.

    Of a trusted proxy the last word of `X-Forwarded-Proto` is believed; else it is the scheme of the connection.
    """
    networks = networks_of(trusted)

    def read(scope: MutableMapping[str, Any], headers: Mapping[bytes, bytes]) -> bytes:
        told = headers.get(b"x-forwarded-proto", b"").rpartition(b",")[2].strip().lower()
        peer = scope.get("client")
        address = address_of(peer[0]) if peer else None
        if told in {b"http", b"https"} and address is not None and within(address, networks):
            return told
        scheme: str = scope.get("scheme", "http")
        return scheme.encode()

    return read
