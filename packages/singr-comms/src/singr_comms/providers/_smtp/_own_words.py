"""What a mail server says for itself: not what it quotes of another one, nor names that a recipient chose."""

import re
from typing import Final

from singr_comms.providers._account_words import without_addresses

# From here on a relay repeats the recipient's own server: Postfix, Exim, Exchange, qmail, Sendmail, Gmail.
_QUOTED: Final = re.compile(
    r"\b(said|says|respond(ed|s)|response|repli(ed|es)|reply|answered|returned|reported)\b"
    r"[^:\n]{0,60}?(:|['\"]|\b[245][0-9]{2}\b).*|"
    r"\berror from (the )?remote\b.*|<<<.*|\bsmtp;.*|\bled=.*|\bdiagnostic[- ]code\b.*|\bwhile talking to\b.*|"
    r"\(in reply to\b.*",
    re.DOTALL,
)
_LONGEST: Final = 1_000
# It did not reach that server.
_UNREACHED: Final = re.compile(r"\bconnection (was |has been )?(refused|reset|closed|lost|timed out)")


def own_words(message: str, recipient: str = "") -> tuple[str, bool]:
    """The words of an answer, small, and whether it quotes another server, which speaks of what it was asked: them.

    Without addresses, and without the recipient's name and domain: what they chose says nothing of us.
    """
    words = message[:_LONGEST].lower()
    local, _, domain = recipient.lower().rpartition("@")
    if domain:
        words = re.sub(rf"[\w.+-]*{re.escape(domain_of(recipient))}(?![\w-])", " ", words)
    if local:
        words = re.sub(rf"(?<![\w.-]){re.escape(local)}(?![\w-])", " ", words)
    words = _UNREACHED.sub(" ", without_addresses(words))
    own = _QUOTED.sub(" ", words)
    return own, own != words


def domain_of(address: str) -> str:
    """The last two labels of the domain: whose mail servers they are, as far as a name tells."""
    domain = address.rpartition("@")[2].lower().rstrip(".")
    return domain if domain.startswith("[") else ".".join(domain.split(".")[-2:])
