"""What a route's policy may say: who may call it, with which scope, and what guards it."""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from singr_api.admission.people import SAFE


class Access(StrEnum):
    """Who may call a route."""

    ANONYMOUS = "anonymous"
    USER = "user"  # a person, about themselves: by access token, as bearer or cookie
    CALLER = "caller"  # a service by API key or signed request, or a person who acts for an organization
    OPTIONAL = "optional"  # anybody; whoever sends credentials is known by them, and refused where they are wrong
    PROVIDER = "provider"  # a provider that calls back, proved by its own rule over the raw request

    @property
    def admits_strangers(self) -> bool:
        """Whether somebody who sends no credentials may call."""
        return self in {Access.ANONYMOUS, Access.OPTIONAL}


class Limit(StrEnum):
    """Whose requests are counted together. Both fail open: they protect from load, not secrets."""

    NONE = "none"
    ADDRESS = "address"
    CREDENTIAL = "credential"


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of one route and method.

    Attributes:
        scope: what a service's credential, or a person's role in the organization, must allow.
        idempotent: an Idempotency-Key is required, and the first answer is kept for 48 hours.
        ingestion: nonce and idempotency record are stored in the transaction that stores the job; else the gate uses up
            the nonce, and the handler keeps the record.
        json: takes and answers JSON; else it answers text or HTML, whatever the caller accepts.
        takes_body: a JSON body is required, unless it is optional.
        optional_body: a body may be left out.
        no_body: nothing belongs into a body: it is left out, or an empty object.
        closed: the limits behind this route that guard a password, a code or mailboxes of strangers, in words; they are
            counted by the flow itself, and while they cannot be counted nothing is let through.
        unguessable: what this route takes is random beyond guessing, or opens nothing yet: only load is to be limited.
        platform: for those who act for no organization; in words, why none may do this.
        sealed: the answer holds a secret, so an idempotency key keeps it sealed, for its own caller alone.
        asks: a POST that changes nothing, so that what is asked stands in no address.
        one_factor: of a route for callers, in words: why a person may change this in a session that proved less than
            their account asks for today (one factor, where a second one is on). Unless it is said they may not, and the
            gate refuses them before anything else is looked at, an answer that an idempotency key keeps included.
            Whoever acts with a role on the platform is asked for all of it on every route, whatever is said here.
            Routes about a person's own account ask by themselves: some for a proof of the last minutes, some for
            nothing.
        hands_on: power may change hands by it, as the request says, so the flow asks. What a key keeps is not given
            again to a session that proved less than the one that got it.
        in_organization: the path names the organization.
        query: takes parameters in the query string; else there may be none.
        any_origin: pages of other origins may send it, and those that tell none: no cookie adds anything to what the
            address itself allows.
        any_query: no API: what stands in the query string is ignored, as on a page of the web.
    """

    method: str
    path: str
    access: Access
    limit: Limit
    scope: str | None = None
    idempotent: bool = False
    ingestion: bool = False
    json: bool = True
    takes_body: bool = False
    optional_body: bool = False
    no_body: bool = False
    closed: str = ""
    unguessable: bool = False
    platform: str = ""
    sealed: bool = False
    asks: bool = False
    one_factor: str = ""
    hands_on: bool = False
    in_organization: bool = False
    query: bool = False
    any_origin: bool = False
    any_query: bool = False

    def asks_whole(self, *, platform: bool) -> bool:
        """Tell whether a person's session has to have proved what their account asks for today.

        Args:
            platform: they act with a role on the platform.
        """
        if self.access is not Access.CALLER:
            return False
        return platform or not (self.method in SAFE or self.asks or self.hands_on or self.one_factor)


class PolicyTable:
    """The policies of all routes: what is not in it is never served.

    Raises:
        ValueError: a route is declared twice.
    """

    def __init__(self, policies: Iterable[Policy]) -> None:
        self.policies: Final = tuple(policies)
        self._by_route: dict[tuple[str, str], Policy] = {}
        for policy in self.policies:
            if self._by_route.setdefault((policy.method, policy.path), policy) is not policy:
                raise ValueError(f"{policy.method} {policy.path} is declared twice: take one of them away")
        # Where a path is named whole, that is meant, and not what another one takes in its place: as the router has it.
        paths = sorted(dict.fromkeys(policy.path for policy in self.policies), key=lambda path: path.count("{"))
        self._patterns = tuple((re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), path) for path in paths)

    def of(self, method: str, template: str) -> Policy:
        """Return the rules of a route.

        Raises:
            LookupError: the route is not in the table.
        """
        try:
            return self._by_route[method, template]
        except KeyError:
            raise LookupError(f"{method} {template} is declared in no section, so no policy admits anybody") from None

    def allowed(self, path: str) -> str:
        """Return what the Allow header of this path says; empty where nothing is. `*` is the server as a whole."""
        if path == "*":
            return _allow({policy.method for policy in self.policies})
        for pattern, template in self._patterns:
            if pattern.fullmatch(path):
                return _allow({policy.method for policy in self.policies if policy.path == template})
        return ""


def _allow(methods: set[str]) -> str:
    return ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))
