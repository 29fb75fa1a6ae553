"""Variables that are not ours, and that the libraries below read at their start: proxies and certificates.

httpx takes them from the environment of the process and ends in a stack where it cannot use one.
"""

import os
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from singr_config.loading._problems import Problem

_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")
_EXEMPT: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?[*A-Za-z0-9._-]*(?::[0-9]{1,5})?", re.ASCII)


def check_surroundings(environ: Mapping[str, str]) -> Iterator[Problem]:
    """Every variable of these that would end the process, and what would be right; a proxy's password is not shown."""
    proxies = [found for name in _PROXIES if (found := _effective(environ, name))]
    for name, value in proxies:
        if message := _proxy(value):
            yield Problem(name, message)
    if found := _effective(environ, "no_proxy"):
        yield from (Problem(found[0], message) for message in _exempt(found[1]))
    for name, check in _FILES.items():
        if (value := environ.get(name, "").strip()) and (message := check(value)):
            yield Problem(name, message)


def _effective(environ: Mapping[str, str], name: str) -> tuple[str, str] | None:
    """The spelling that counts, and its value: small letters come first, also to take the other away."""
    spelling = name if name in environ else name.upper()
    value = environ.get(spelling, "").strip()
    return (spelling, value) if value else None


def _proxy(value: str) -> str:
    right = "must be the address of a proxy, such as http://proxy.example.org:3128"
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        good = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return right
    if parts.scheme in {"socks5", "socks5h"} and good:
        return "" if find_spec("socksio") else f"{right}; for {parts.scheme}:// install httpx[socks]"
    if parts.scheme not in {"http", "https"}:
        return f"{right}; {parts.scheme}:// is not supported"
    return "" if good else right


def _exempt(value: str) -> Iterator[str]:
    for entry in filter(None, (part.strip() for part in value.split(","))):
        address, _, bits = entry.partition("/")
        try:
            version = ip_address(address).version
        except ValueError:
            if not _EXEMPT.fullmatch(entry) and not _is_range(entry):
                yield "must be host names and addresses, such as localhost,10.0.0.1,.example.org"
                return
        else:
            if version == 6 and bits:  # noqa: PLR2004 - IPv6
                yield f"must name IPv6 addresses, not ranges: {address} instead of {entry}"
                return


def _is_range(entry: str) -> bool:
    return re.fullmatch(r"[0-9.]+/[0-9]{1,2}", entry, re.ASCII) is not None


def _cert_file(value: str) -> str:
    import ssl  # noqa: PLC0415 - takes its time, and few set this

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=value)
    except OSError as error:  # ssl.SSLError is one
        why = "it holds no certificate" if isinstance(error, ssl.SSLError) else (error.strerror or str(error)).lower()
        return f"must be a file of certificates in PEM, or unset: {why}"
    return ""


def _cert_dir(value: str) -> str:
    if any(Path(part).is_dir() for part in value.split(os.pathsep)):
        return ""
    return "must be a folder of certificates that is there, or unset"


def _key_log(value: str) -> str:
    path = Path(value)
    writable = os.access(path, os.W_OK) if path.exists() else os.access(path.parent, os.W_OK)
    return "" if writable and not path.is_dir() else "must be a file that can be written, or unset"


_FILES: Final = {"SSL_CERT_FILE": _cert_file, "SSL_CERT_DIR": _cert_dir, "SSLKEYLOGFILE": _key_log}
