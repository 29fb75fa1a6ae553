"""Where a request comes from, believing only proxies that are named in the settings."""

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_MOST_HOPS = 20


def address_reader(trusted: Sequence[str]) -> Callable[[tuple[str, int] | None, Mapping[bytes, bytes]], str]:
    """Return a function that names the caller of a request, from its socket's peer and its headers.

    Of `X-Forwarded-For` the right-most address that is no trusted proxy is taken: what stands left of it, the caller
    may have written. An IPv6 caller is named by its /64, which is one site (RFC 6177).
    """
    networks = [ip_network(network, strict=False) for network in trusted]

    def read(peer: tuple[str, int] | None, headers: Mapping[bytes, bytes]) -> str:
        if peer is None or not peer[0]:
            return "local"
        address = peer[0]
        if networks and _within(address, networks):
            hops = headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")[-_MOST_HOPS:]
            for hop in reversed(hops):
                if not _within(hop.strip(), networks):
                    address = hop.strip() or address
                    break
        return _site(address)

    return read


def _within(text: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return any(address in network for network in networks)


def _site(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)
