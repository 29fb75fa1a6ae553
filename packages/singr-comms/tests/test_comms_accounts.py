"""Whose fault a mail server's words are: ours, the recipient's, or nobody can tell."""

import pytest

from singr_comms.providers._smtp._answers import Stage, is_about_us

RECIPIENT, DATA = Stage.RECIPIENT, Stage.DATA

OURS = [
    (DATA, 553, "Relaying disallowed as noreply@singr.example"),
    (RECIPIENT, 502, "5.7.0 Your SMTP account is not yet activated. Contact us"),
    (RECIPIENT, 503, "5.5.1 Error: need AUTH command"),
    (RECIPIENT, 503, "5.5.4 Error: send AUTH command first"),
    (RECIPIENT, 503, "This mail server requires authentication when attempting to send to a non-local e-mail address."),
    (RECIPIENT, 550, "pop before smtp required"),
    (RECIPIENT, 553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"),
    (RECIPIENT, 501, "mail from address must be same as authorization user"),
    (
        DATA,
        550,
        "You can only send testing emails to your own email address (a@b.example).",
    ),
    (
        DATA,
        550,
        "While your account is pending approval, all recipient addresses must share the domain of the 'From' address.",
    ),
    (DATA, 450, "Trial accounts can only send emails to the administrator's email. #MS42225"),
    (DATA, 550, "Message rejected: User suspended"),
    (DATA, 451, "You have exceeded your messaging limits"),
    (RECIPIENT, 550, "Insufficient credits"),
    (RECIPIENT, 550, "Out of credit"),
    (RECIPIENT, 550, "Free quota used up"),
    (RECIPIENT, 451, "Too many messages sent from this account"),
    (RECIPIENT, 525, "5.7.1 Unauthorized IP address"),
    (RECIPIENT, 550, "5.7.1 Unable to relay"),
    (RECIPIENT, 550, "relay not permitted"),
    (RECIPIENT, 554, "5.7.1 Relaying denied. Proper authentication required."),
    (RECIPIENT, 550, "we do not relay"),
    (RECIPIENT, 551, "we don't relay for strangers"),
    (RECIPIENT, 571, "Relaying not allowed"),
    (RECIPIENT, 550, "Relaying Prohibited"),
    (RECIPIENT, 550, "5.7.1 Client was not authenticated"),
    (RECIPIENT, 530, "Must issue a STARTTLS command first"),
    (RECIPIENT, 550, "Must authenticate before sending"),
    (RECIPIENT, 550, "SMTP AUTH is required for users in this domain"),
    (RECIPIENT, 550, "You must check your mail before you can send (POP before SMTP)"),
    (RECIPIENT, 550, "5.7.1 authentication needed"),
    (DATA, 554, "Transaction failed: Sender address not verified"),
    (
        DATA,
        554,
        "Message rejected: Email address is not verified.",
    ),
    (
        DATA,
        550,
        "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved.",
    ),
    (DATA, 550, "5.7.1 The domain singr.example is not verified"),
    (DATA, 550, "Account disabled"),
    (DATA, 550, "account is locked"),
    (DATA, 550, "5.4.6 Unusual sending activity detected. Please try after sometime"),
    (DATA, 554, "5.2.252 SendAsDenied"),
    (RECIPIENT, 550, "5.7.60 SMTP; Client does not have permissions to send as this sender"),
    (RECIPIENT, 452, "4.5.3 Your message quota was exceeded: your sending limit"),
    (RECIPIENT, 550, "Your account has been suspended for sending spam"),
    (RECIPIENT, 550, "Monthly plan limit reached. Upgrade your plan"),
    (DATA, 550, "Daily free plan limit exceeded"),
    (RECIPIENT, 554, "Your subscription has expired"),
    (RECIPIENT, 550, "Payment required"),
    (RECIPIENT, 550, "Sender is not authorized"),
    (RECIPIENT, 553, "5.7.1 Sender address rejected: not owned by user x"),
    (RECIPIENT, 550, "You have no credits left. no more credits"),
    (RECIPIENT, 550, "Not enough balance"),
    (RECIPIENT, 550, "sandbox domains can only send to authorized recipients"),
    (DATA, 421, "Domain sandbox123.mailgun.org is not allowed to send: Free accounts are for test purposes only."),
    (RECIPIENT, 554, "5.7.1 You are not allowed to send mail from this IP"),
    (RECIPIENT, 550, "Sending limits exceeded for account"),
    (RECIPIENT, 550, "Your account is not active"),
    (RECIPIENT, 550, "Your account is under review"),
    (RECIPIENT, 550, "Domain not verified"),
    (RECIPIENT, 550, "api key is invalid: invalid api key"),
    (RECIPIENT, 554, "5.7.1 Access denied: your IP address is not whitelisted"),
    (RECIPIENT, 550, "You are sending too many messages from your account"),
    (RECIPIENT, 451, "4.7.1 You have reached your hourly sending limit"),
    (RECIPIENT, 450, "max emails per hour exceeded"),
    (RECIPIENT, 550, "The account has exceeded its sending quota"),
    (RECIPIENT, 539, "anything"),
]
THEIRS = [
    (RECIPIENT, 550, "5.1.1 user unknown"),
    (RECIPIENT, 550, "No such user here"),
    (RECIPIENT, 552, "5.2.2 mailbox full"),
    (RECIPIENT, 552, "mailbox full"),
    (RECIPIENT, 550, "5.7.1 blocked by recipient policy"),
    (RECIPIENT, 550, "5.7.1 Recipient address rejected: message rejected by recipient's server"),
    (RECIPIENT, 550, "5.2.1 mailbox disabled, not accepting messages"),
    (
        RECIPIENT,
        450,
        "4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
    ),
    (RECIPIENT, 550, "5.1.10 RESOLVER.ADR.RecipientNotFound"),
    (RECIPIENT, 550, "mailbox unavailable"),
    (RECIPIENT, 550, "User account is overquota"),
    (RECIPIENT, 550, "user is over quota"),
    (RECIPIENT, 554, "5.7.1 recipient has blocked you"),
    (RECIPIENT, 550, "Address does not exist"),
    (RECIPIENT, 550, "5.7.1 You are not allowed to send to this list"),
    (RECIPIENT, 550, "5.7.1 This group only accepts mail from members"),
    (RECIPIENT, 553, "5.3.0 no such user"),
    (RECIPIENT, 450, "4.2.0 Greylisted, please try again in 300 seconds"),
    (RECIPIENT, 550, "This mailbox only accepts mail from its contacts"),
    (RECIPIENT, 550, "5.7.1 recipient only accepts messages from verified senders"),
    (RECIPIENT, 550, "This recipient is pending verification"),
    (DATA, 552, "5.3.4 message too big"),
    (RECIPIENT, 556, "domain does not accept mail"),
    (RECIPIENT, 550, "5.1.2 host unknown"),
    (RECIPIENT, 501, "5.1.3 bad recipient address syntax"),
    (RECIPIENT, 550, "user's mailbox quota exceeded"),
    (RECIPIENT, 550, "Mailbox is inactive; user has not activated"),
    (RECIPIENT, 550, "5.7.1 The user does not accept mail from your domain"),
    (RECIPIENT, 550, "Recipient's account has no credit"),
    (RECIPIENT, 550, "This user has moved; see user@else.example"),
    (RECIPIENT, 550, "5.7.1 delivery not authorized, message refused by recipient"),
]
OF_A_RECIPIENT = [
    (451, "4.7.1 Greylisting in action, please come back later"),
    (451, "4.7.1 Try again later"),
    (451, "Temporary local problem"),
    (450, "4.4.1 unable to connect to host"),
    (451, "4.4.1 Name server: host not found"),
    (451, "4.3.0 Temporary lookup failure"),
    (452, "4.5.3 Too many recipients"),
    (450, "4.7.1 <x@evil.example>: Recipient address rejected: Greylisted"),
    (451, "Greylisted: 203.0.113.7 rejected for now"),
    (451, "4.4.4 no way there"),
    (451, "4.4.1 connect to mx.evil.example[203.0.113.9]:25: Connection refused"),
    (451, "4.4.1 Name server: relay.denied.suspended.example: host not found"),
    (451, "could not connect to relay.evil.example: connection refused"),
    (450, "<5.7.708@evil.example>: try later"),
    (450, "5.7.708 is not to be reached now"),
]
"""At RCPT TO:<5.7.708@evil.example>."""
QUOTED = [
    (451, "could not verify recipient: mx.evil.example [203.0.113.9] said: 550 your account is suspended"),
    (450, "4.1.1 <x@evil.example>: unverified address: host mx.evil.example said: 550 5.1.1 outboundspam"),
    (450, "4.7.1 host mx.evil.example[203.0.113.9] said: 550 5.7.708 banned (in reply to RCPT TO command)"),
    (
        550,
        "Verification failed for <x@evil.example>\nCalled: 203.0.113.9\nSent: RCPT TO\nResponse: 550 relaying denied",
    ),
    (550, "SMTP error from remote mail server after RCPT TO:<x@evil.example>: 550 sending quota exceeded"),
    (550, "5.4.300 Remote server returned '550 5.7.705 tenant has exceeded threshold'"),
    (550, "The response from the remote server was: 554 your account is suspended"),
    (550, "203.0.113.9 does not like recipient. Remote host said: 535 authentication required"),
    (450, "... while talking to mx.evil.example.: >>> RCPT <<< 550 your IP is blocked"),
    (451, "the remote server responded with 550 payment required"),
]
UNTOLD = [
    (RECIPIENT, 550, "5.4.1 Recipient address rejected: Access denied"),
    (RECIPIENT, 550, "account is disabled"),
    (RECIPIENT, 550, "The account is suspended"),
    (RECIPIENT, 550, "This account is not active"),
    (DATA, 554, "5.7.1 spam message rejected"),
    (DATA, 550, "virus found"),
    (RECIPIENT, 550, "user suspended"),
]


def named(line: object) -> str:
    return str(line.name if isinstance(line, Stage) else line)[:40]


@pytest.mark.parametrize(("stage", "code", "words"), OURS, ids=named)
def test_words_about_our_account_hold_the_message(stage: Stage, code: int, words: str) -> None:
    assert is_about_us(code, words, stage) is True


@pytest.mark.parametrize(("stage", "code", "words"), THEIRS, ids=named)
def test_words_about_a_recipient_are_about_nobody_else(stage: Stage, code: int, words: str) -> None:
    assert is_about_us(code, words, stage) is False


@pytest.mark.parametrize(("code", "words"), OF_A_RECIPIENT, ids=named)
def test_later_to_a_recipient_is_nobody_elses_unless_it_clearly_speaks_of_us(code: int, words: str) -> None:
    assert is_about_us(code, words, RECIPIENT, "5.7.708@evil.example") is False


@pytest.mark.parametrize("stage", [RECIPIENT, DATA])
@pytest.mark.parametrize(("code", "words"), QUOTED, ids=named)
def test_words_of_the_recipients_own_server_say_nothing_of_us(code: int, words: str, stage: Stage) -> None:
    assert is_about_us(code, words, stage) is False


@pytest.mark.parametrize("to", ["relay@denied.example", "x@relay.denied.example", "x@your-account.suspended.example"])
def test_names_that_a_recipient_chose_say_nothing_of_us(to: str) -> None:
    local, _, domain = to.partition("@")
    for words in (f"{local} denied", f"{domain} cannot be found", f"no mail for {to} now", f"mx1.{domain} is rejected"):
        assert is_about_us(450, words, RECIPIENT, to) is False, words


@pytest.mark.parametrize("words", ["4.7.1 Greylisting in action", "4.7.1 Try again later", "Greylisted"])
def test_later_to_a_message_that_a_policy_looked_at_is_about_that_message(words: str) -> None:
    assert is_about_us(451, words, DATA) is False


def test_later_of_a_server_that_has_trouble_with_a_message_leaves_it_open() -> None:
    assert is_about_us(451, "4.3.0 queue file write error", DATA) is None


@pytest.mark.parametrize(("stage", "code", "words"), UNTOLD, ids=named)
def test_words_that_may_be_about_either_leave_it_open(stage: Stage, code: int, words: str) -> None:
    assert is_about_us(code, words, stage) is None


@pytest.mark.parametrize("stage", [RECIPIENT, DATA])
@pytest.mark.parametrize("code", [523, 524, 525, *range(530, 540)])
def test_codes_of_sign_in_are_ours_whatever_the_words(code: int, stage: Stage) -> None:
    assert is_about_us(code, "no such user", stage) is True


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.SIGN_IN, Stage.SENDER])
def test_what_is_refused_before_a_recipient_was_named_is_ours(stage: Stage) -> None:
    assert is_about_us(550, "5.1.1 no such user", stage) is True


OF_ONE = {
    "listed domain of the recipient": (
        554,
        "5.7.1 Service unavailable; Recipient address [x@listed.example] blocked using dbl.spamhaus.org",
        "x@listed.example",
    ),
    "call-out": (
        451,
        "Could not complete recipient verify callout\npermanently unreachable from this server: never accepted.",
        "x@evil.example",
    ),
    "name that is a figure of the status": (
        450,
        (
            "4.1.1 <4@evil.example>: Recipient address rejected: unverified address: host mx.evil.example[192.0.2.1] "
            "refused to talk to me: 554 your IP is blocked"
        ),
        "4@evil.example",
    ),
    "server that does not talk to ours": (
        550,
        "host mx.other.example[192.0.2.1] refused to talk to me: 554 your IP is blocked",
        "x@evil.example",
    ),
    "network of the recipient's server": (
        554,
        "5.7.1 <x@evil.example>: Recipient address rejected: Mail server in bogus network 192.0.2.0/24 refused",
        "x@evil.example",
    ),
    "network of a server": (554, "5.7.1 Mail server in bogus network 192.0.2.0/24 refused", "x@evil.example"),
    "host that takes no mail": (521, "5.3.2 mx.evil.example does not accept mail", "x@evil.example"),
    "certificate": (454, "4.7.5 Server certificate of mx.other.example not trusted", "x@evil.example"),
    "no encryption": (454, "4.7.4 TLS is required, but host mx.other.example does not offer it", "x@evil.example"),
    "threads": (432, "4.3.2 STOREDRV.Deliver; recipient thread limit exceeded", "x@evil.example"),
    "busy mailbox": (451, "4.3.2 mailbox of recipient busy", "x@evil.example"),
    "rules of an organization": (550, "5.7.1 Your organization does not allow mail to this address", "x@evil.example"),
    "half an address": (504, "5.5.2 <joe@a>: Recipient address rejected: need fully-qualified address", "joe@a"),
    "many connections to its host": (421, "4.7.0 Too many connections to slow.example, try later", "x@slow.example"),
}
OF_A_MAIL = {
    "domain in the mail": "5.7.1 Message blocked using multi.surbl.org",
    "words in the mail": "5.7.1 rejected: looks like phishing your account",
}
QUOTAS = ["user's mailbox quota is used up", "mailbox quota is used up", "recipient quota is used up"]
OURS_STILL = {
    "client of a list": (554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"),
    "listed sender": (554, "5.7.1 Service unavailable; Sender address [a@b.example] blocked using dbl.spamhaus.org"),
    "network of our sender's server": (
        554,
        "5.7.1 <a@b.example>: Sender address rejected: Mail server in bogus network",
    ),
    "half a sender": (504, "5.5.2 <a>: Sender address rejected: need fully-qualified address"),
    "half a name": (504, "5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname"),
    "call-out to our sender": (550, "Could not complete sender verify callout"),
    "mail from a server": (550, "no mail accepted: too many messages from this server"),
    "relaying": (454, "4.7.1 Relay access denied"),
    "sign-in": (454, "4.7.0 Temporary authentication failure"),
    "the whole system": (451, "4.3.2 system not accepting network messages"),
    "closing": (421, "4.3.0 closing"),
    "limit": (450, "4.7.1 sending quota of your account exceeded"),
    "server on lists": (550, "5.7.1 Recipient address rejected: Your MTA is listed in too many lists"),
}


@pytest.mark.parametrize(("code", "words", "to"), OF_ONE.values(), ids=OF_ONE)
def test_stock_words_about_a_recipient_are_about_nobody_else(code: int, words: str, to: str) -> None:
    assert is_about_us(code, words, RECIPIENT, to) is False


@pytest.mark.parametrize("words", OF_A_MAIL.values(), ids=OF_A_MAIL)
def test_words_about_what_a_mail_holds_are_about_that_mail(words: str) -> None:
    assert is_about_us(554, words, Stage.CONTENT, "x@evil.example") is False


@pytest.mark.parametrize("local", ["user", "x", "mailbox", "recipient", "quota", "is", "4"])
@pytest.mark.parametrize("words", QUOTAS)
def test_limit_of_a_recipient_is_theirs_whatever_they_are_called(words: str, local: str) -> None:
    assert is_about_us(552, words, RECIPIENT, f"{local}@evil.example") is False


@pytest.mark.parametrize(("code", "words"), OURS_STILL.values(), ids=OURS_STILL)
def test_words_about_our_host_sender_or_account_are_ours_beside_a_recipients(code: int, words: str) -> None:
    assert is_about_us(code, words, RECIPIENT, "x@evil.example") is True


@pytest.mark.parametrize("stage", [RECIPIENT, DATA])
@pytest.mark.parametrize("code", [432, 454, 500, 502, 503, 504, 521])
def test_codes_of_commands_and_the_service_tell_nothing_by_themselves_once_a_recipient_is_named(
    code: int, stage: Stage
) -> None:
    assert is_about_us(code, "no such user", stage) is False
    assert is_about_us(code, "anything", stage) is not True
    assert is_about_us(code, "anything", Stage.SENDER) is True
