"""Words in which providers of every kind say that they refuse our account, and not this recipient or message."""

import re
from typing import Final

_ADDRESSES: Final = re.compile(r"<[^>]*>|\S*@\S*")
# Names of hosts and domains; not the addresses of hosts, which are figures.
_HOSTS: Final = re.compile(r"(?<![\w.-])[\w-]+(\.[\w-]+)*\.[a-z][a-z0-9-]+\b")
_A_HOST: Final = "x.y"
_LONGEST: Final = 1_000
_NOT_ALLOWED: Final = (
    r"(denied|disallow|prohibit|refus|reject|forbid|restrict|disabled|not (allowed|permitted|authori))"
)
_CERTAIN: Final = re.compile(
    # Relaying, and sign-in before it.
    rf"\brelay(ing|ed)?\b.{{0,40}}{_NOT_ALLOWED}|"
    r"(unable|refuse|refuses|cannot|can't|can not|do not|don't|does not|not (allowed|permitted|authori[sz]ed)|"
    r"will not|won't) (to )?relay|\brcpthosts\b|\bpop(3)?[ -]?before|pop before|check (your )?mail (first|before)|"
    r"\b(need|needs|send|issue|use|expects?|wants?|requires?|missing)\b.{0,20}\b(smtp[ -]?auth|auth|starttls)\b|"
    r"\bauth\b.{0,12}(required|needed)|requires? (smtp |user )?authentication|"
    r"must (first )?(be )?(authenticated?|log(ged)? ?in|sign(ed)? ?in)|"
    r"(please|first) (authenticate|log ?in|sign ?in)|not (logged|signed) in|authori[sz]ation user|"
    r"(invalid|wrong|bad|unknown|inactive|expired|disabled|revoked) (api[ -]?key|credentials|password)|"
    r"unauthori[sz]ed (ip|host|sender|client|server|network)|"
    r"\b(ip|ip address|host) .{0,40}not (authori[sz]ed|whitelisted|on (your|the) allow)|"
    # An account that is not open yet, or for tests only.
    r"\byour ((smtp|e-?mail|mail|sending|sender|user|trial|free|api|server) )?account\b(?!.{0,20}\btried\b)"
    r".{0,60}(activ|approv|pending|review|verif|suspend|disabl|block|lock|clos|terminat|paus|limit|restrict|quota|credit)|"
    r"account (is |has been |was )?(still )?(pending|awaiting|under|in) (approval|review|verification|activation)|"
    r"\btrial (account|period|plan|mode)|\bsandbox\b|test(ing)? e-?mails|"
    r"\b(can|may|must|will|could) only (be )?(send|sent|sending|mail)\b|"
    # Money, plans and limits of ours.
    r"(insufficient|not enough|out of|no( more| remaining)?|exhausted|used up|used all( of)?( your)?) "
    r"(credits?|funds?|balance)\b|"
    r"credits? (is |are |has |have |been )*(exhaust|exceed|used|expired|deplet|insufficient)|"
    r"\bfree (quota|plan|tier|account|trial|credits?)\b|quota (is |has been |was )*used up|"
    r"(exceed|reach|over|hit).{0,30}\b(your|messaging|sending|plan'?s?) (\w+ )?(limit|quota|rate)|"
    r"\b(messages|e-?mails|mails?|sent|sending)\b.{0,30}\bfrom (this|your) (account|user|sender)|"
    r"unusual (sending|activity|traffic)|suspicious (sending|activity)|"
    r"upgrade (your|the|to a|to an) |\byour (subscription|billing|invoice|payment)\b|payment (is )?(required|overdue)|"
    # Senders and domains that are not ours to use.
    r"\bnot owned by|not an? (authori[sz]ed|verified|validated|registered|confirmed) sender|"
    r"\b(from|domain|identity|sender( address)?)\b.{0,40}(not (been )?(yet )?(verified|validated|registered|confirmed))"
)
# Whose account it is, where it is said: theirs.
_THEIRS: Final = re.compile(r"\b(user|recipient|customer|subscriber|member)('s|s') (\w+ )?(account|mailbox|inbox)")


def without_addresses(message: str) -> str:
    """The words of an answer, small; without addresses, since anybody chooses what their own address says."""
    return _ADDRESSES.sub(" ", message[:_LONGEST]).lower()


def without_hosts(words: str) -> str:
    """The same without what hosts and domains are called: whoever owns one chooses that as well."""
    return _HOSTS.sub(_A_HOST, words)


def names_our_account(words: str) -> bool:
    """Whether words, as `without_addresses` gives them, can be about nothing but our account."""
    words = without_hosts(words)
    return _CERTAIN.search(words) is not None and _THEIRS.search(words) is None
