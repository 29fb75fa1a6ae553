"""`singr doctor`: what stands between this machine and the API, one thing after another."""

import datetime as dt
import socket
import ssl
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final
from urllib.parse import urlsplit

from singr_cli import commands
from singr_cli._clean import clean
from singr_cli._declared import Command, Group
from singr_cli._errors import CliError, Code
from singr_cli._http import Api
from singr_cli._profiles import Profile
from singr_cli._running import Run

_COLUMNS: Final = ("check", "state", "found")
_FEW_DAYS: Final = 14
_TOLERANCE: Final = 300
_NOTICED: Final = 30
Finding = tuple[str, str]
"""ok, warn or fail; and what was found, with what to do."""
_CODES: Final = {"address": Code.UNAVAILABLE, "TLS": Code.UNAVAILABLE, "ready": Code.UNAVAILABLE}


def _doctor(run: Run) -> int:
    findings = list(_findings(run))
    run.output.items(({"check": name, "state": state, "found": found} for name, (state, found) in findings), _COLUMNS)
    failed = [name for name, (state, _) in findings if state == "fail"]
    return _CODES.get(failed[0], Code.REFUSED) if failed else Code.DONE


def _findings(run: Run) -> Iterator[tuple[str, Finding]]:
    profile = run.profile
    yield "profile", ("ok", f"{profile.url}, {profile.credential}")
    for name, check in (("address", _address), ("TLS", _tls)):
        finding = check(profile)
        yield name, finding
        if finding[0] == "fail":
            return
    with run.api() as api:
        ready = _asked(_ready, api)
        yield "ready", ready
        yield "clock", _asked(_clock, api)
        if ready[0] == "fail":
            return  # each list would take its time to say so again
        yield from _permissions(api, run)


def _asked(ask: Callable[[Api], Finding], api: Api) -> Finding:
    try:
        return ask(api)
    except CliError as error:
        return "fail", error.message.splitlines()[0]


def _address(profile: Profile) -> Finding:
    host, port = _place(profile)
    try:
        with socket.create_connection((host, port), timeout=10) as connection:
            return "ok", f"connected to {connection.getpeername()[0]} port {port}"
    except OSError as error:
        return "fail", f"no connection to {host} port {port}: {error.strerror or error}"


def _tls(profile: Profile) -> Finding:
    if not profile.url.startswith("https:"):
        return ("ok", "none: this machine's own") if profile.is_local else ("warn", "none: the credential is readable")
    host, port = _place(profile)
    try:
        with (
            socket.create_connection((host, port), timeout=10) as connection,
            ssl.create_default_context().wrap_socket(connection, server_hostname=host) as secured,
        ):
            certificate, version = secured.getpeercert() or {}, secured.version()
    except OSError as error:
        return "fail", clean(f"{error.strerror or error}")
    from singr_config.clock import clock  # noqa: PLC0415 — few ask the time

    left = (ssl.cert_time_to_seconds(str(certificate["notAfter"])) - clock.time()) / 86_400
    return "warn" if left < _FEW_DAYS else "ok", f"{version}, the certificate is good for {left:.0f} days"


def _place(profile: Profile) -> tuple[str, int]:
    parts = urlsplit(profile.url)
    return str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)


def _ready(api: Api) -> Finding:
    answer = api.send("GET", "/ready")
    try:
        document: Any = answer.json()
        status = clean(document["status"])
        whys = [f"{clean(name)}: {clean(one['why'] or '')}" for name, one in document["checks"].items() if one["why"]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return "fail", f"answers {answer.status_code}, and not as Singr's API does: is the address right?"
    return {"ready": "ok", "degraded": "warn"}.get(status, "fail"), "; ".join([status, *whys])


def _clock(api: Api) -> Finding:
    from singr_config.clock import clock  # noqa: PLC0415 — few ask the time

    told = api.send("GET", "/health").headers.get("date", "")
    return skew(told, clock.time(), signs=bool(api.profile.key_id))


def skew(told: str, now: float, *, signs: bool) -> Finding:
    """Compare this machine's time with the API's (a header `Date`, RFC 9110): signatures bear 300 s, people less."""
    try:
        theirs = parsedate_to_datetime(told).timestamp()
    except (TypeError, ValueError):
        return "warn", "the API does not say what time it is"
    off = round(now - theirs)
    if abs(off) <= _NOTICED:
        return "ok", "as the API's"
    ahead = f"{dt.timedelta(seconds=abs(off))} {'ahead of' if off > 0 else 'behind'} the API's: set it"
    return ("fail" if abs(off) > _TOLERANCE and signs else "warn"), ahead


def _permissions(api: Api, run: Run) -> Iterator[tuple[str, Finding]]:
    """Ask each list for one item: what is refused, the credential lacks the scope for."""
    for name, command in _lists():
        query = ({"limit": 1} if command.paged else {}) | (
            {"organization_id": run.profile.organization}
            if run.profile.organization and command.organization == "query"
            else {}
        )
        answer = api.send("GET", command.path, query=query)
        if answer.status_code == 401:  # noqa: PLR2004 — the credential itself is refused
            yield "credential", ("fail", _detail(answer))
            return
        if answer.is_success:
            yield f"read {name}", ("ok", "allowed")
        elif _wants_organization(answer):
            yield f"read {name}", ("ok", "not asked: say whose, with --organization or SINGR_ORGANIZATION")
        else:
            yield f"read {name}", ("warn", _detail(answer))


def _detail(answer: Any) -> str:
    try:
        return clean(answer.json()["detail"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"answers {answer.status_code}"


def _wants_organization(answer: Any) -> bool:
    """Tell whether a credential of the platform's is to say whose it asks for; then it is nothing that it may not."""
    try:
        errors = answer.json()["errors"]
        return [(one["field"], one["code"]) for one in errors] == [("organization_id", "required")]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _lists() -> Iterator[tuple[str, Command]]:
    """Yield the first list of each group, which any reader may ask for."""
    for found in iter_modules(commands.__path__):
        group = import_module(f"singr_cli.commands.{found.name}").COMMANDS
        declared = group.commands if isinstance(group, Group) else (group,) if isinstance(group, Command) else ()
        first = next((one for one in declared if one.lists and not one.parameter), None)
        if first is not None:
            yield found.name.replace("_", " "), first


COMMANDS: Final = Command(
    "doctor",
    "GET /ready",
    "Check address, TLS, readiness, clock, credential and permissions, and say what to do.",
    organization="none",
    carry=_doctor,
)
