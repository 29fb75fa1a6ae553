"""What the tests of this package share: one sample of every message, and hostile texts."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from singr_comms import (
    EmailAddress,
    EmailEnvelope,
    EmailMessage,
    Invitation,
    MagicLink,
    MagicLinkSms,
    PasswordReset,
    PlainSms,
    SmsEnvelope,
    SmsMessage,
    SongRequest,
    SongRequestSms,
    TwoFactorCode,
    TwoFactorCodeSms,
    Verification,
    VerificationCodeSms,
    Welcome,
)

LINK = "https://singr.example/go?token=a&b=c"

EMAILS: tuple[Callable[[str], EmailMessage], ...] = (
    lambda name: Verification(user_name=name, verification_link=LINK, verification_code="042917", expiry_hours=24),
    lambda name: PasswordReset(user_name=name, reset_link=LINK, expiry_minutes=60),
    lambda _name: MagicLink(
        user_email="jane@example.org", magic_link=LINK, expiry_minutes=15, ip_address="2001:db8::7"
    ),
    lambda name: TwoFactorCode(user_name=name, code="735104", expiry_minutes=5),
    lambda name: Welcome(user_name=name, account_type="customer", dashboard_link=LINK),
    lambda name: Welcome(user_name=name, account_type="singer", dashboard_link=LINK),
    lambda name: Invitation(inviter_name=name, organization_name=name, invitation_link=LINK, expiry_days=7),
    lambda name: SongRequest(venue_name=name, artist=name, title=name, singer_name=name, link=LINK),
    lambda name: SongRequest(venue_name=name, artist=name, title=name, link=LINK),
)
SMS: tuple[Callable[[str], SmsMessage], ...] = (
    lambda _name: VerificationCodeSms(code="042917", expiry_minutes=5),
    lambda _name: TwoFactorCodeSms(code="735104", expiry_minutes=5),
    lambda _name: MagicLinkSms(magic_link=LINK, expiry_minutes=15),
    lambda name: SongRequestSms(venue_name=name, artist=name, title=name, singer_name=name, link=LINK),
    lambda name: SongRequestSms(venue_name=name, artist=name, title=name, link=LINK),
    lambda name: PlainSms(text=name),
)


@pytest.fixture(params=EMAILS, ids=range(len(EMAILS)))
def email_of(request: pytest.FixtureRequest) -> Callable[[str], EmailMessage]:
    """Each e-mail in turn, as a function of the names in it."""
    made: Callable[[str], EmailMessage] = request.param
    return made


@pytest.fixture(params=SMS, ids=range(len(SMS)))
def sms_of(request: pytest.FixtureRequest) -> Callable[[str], SmsMessage]:
    """Each SMS in turn, as a function of the names in it."""
    made: Callable[[str], SmsMessage] = request.param
    return made


@pytest.fixture
def song_email() -> Callable[..., EmailEnvelope]:
    """Makes an envelope with a song request."""

    def make(token: str = "token-1", **changes: Any) -> EmailEnvelope:
        variables = {
            "venue_name": "Café Müller",
            "artist": "Simon & Garfunkel",
            "title": "The <Boxer>",
            "link": "https://singr.example/requests",
        } | changes
        return EmailEnvelope(
            to=EmailAddress("jane@example.org", "Jane Ünal"), message=SongRequest(**variables), idempotency_token=token
        )

    return make


@pytest.fixture
def song_sms() -> Callable[..., SmsEnvelope]:
    """Makes an envelope with a plain SMS."""

    def make(token: str = "token-1", text: str = "Café <Müller> & Söhne") -> SmsEnvelope:
        return SmsEnvelope(to="+15555550100", message=PlainSms(text=text), idempotency_token=token)

    return make


@pytest.fixture(scope="session")
def server_tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's TLS with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
