"""What a mail server says for itself: not what it quotes of another one, nor names that a recipient chose."""

import re
from typing import Final, NamedTuple

from singr_comms.providers._account_words import without_addresses

# From here on a relay repeats the recipient's own server: Postfix, Exim, Exchange, qmail, Sendmail, Gmail.
_QUOTED: Final = re.compile(
    r"\b(said|says|respond(ed|s)|response|repli(ed|es)|reply|answered|returned|reported)\b"
    r"[^:\n]{0,60}?(:|['\"]|\b[245][0-9]{2}\b).*|"
    r"\berror from (the )?remote\b.*|<<<.*|\bsmtp;.*|\bled=.*|\bdiagnostic[- ]code\b.*|\bwhile talking to\b.*|"
    r"\(in reply to\b.*|\brefused to talk to me\b.*|\bunverified address\b ?:.*",
    re.DOTALL,
)
# It did not reach that server.
_UNREACHED: Final = re.compile(r"\bconnection (was |has been )?(refused|reset|closed|lost|timed out)")


# A host that the relay called, by name and address; the one that called it is a client's.
_CALLED: Final = re.compile(r"(?<!client )(?<!client host )\b[\w-]+(\.[\w-]+)+\[[0-9a-f:.]+\](:[0-9]+)?")
_LINK: Final = re.compile(r"\bhttps?://\S+")
_FIGURES: Final = re.compile(r"[0-9.]+")


class OwnWords(NamedTuple):
    """What a relay says for itself, small, without addresses, links, and what it quotes."""

    words: str
    """Where the recipient's name or domain stood is `recipient`: what they chose says nothing of us."""
    as_written: str
    """The same with the name: words that speak of a recipient do so, whatever that one is called."""
    quotes: bool
    """It quotes another server, which speaks of what it was asked: them."""


def own_words(message: str, recipient: str = "") -> OwnWords:
    """The words of an answer, and whether it quotes another server."""
    words = _LINK.sub(" ", without_addresses(message))
    local, _, domain = recipient.lower().rpartition("@")
    if domain:
        words = re.sub(rf"[\w.+-]*{re.escape(domain_of(recipient))}(?![\w-])", " recipient ", words)
    words = _UNREACHED.sub(" ", _CALLED.sub(" ", words))
    own = _QUOTED.sub(" ", words)
    named = own
    # Figures are a status, more likely than a name; and whole words only: "4" is no part of 4.1.1.
    if local and not _FIGURES.fullmatch(local):
        named = re.sub(rf"(?<![\w.-]){re.escape(local)}(?![\w-]|\.\w)", "recipient", own)
    return OwnWords(named, own, quotes=own != words)


def domain_of(address: str) -> str:
    """The last two labels of the domain: whose mail servers they are, as far as a name tells."""
    domain = address.rpartition("@")[2].lower().rstrip(".")
    return domain if domain.startswith("[") else ".".join(domain.split(".")[-2:])
