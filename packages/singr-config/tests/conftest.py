"""Keys, and an environment with which production starts."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

type_ = serialization.PrivateFormat


def pem_pair(curve: ec.EllipticCurve | None = None, form: serialization.PrivateFormat = type_.PKCS8) -> tuple[str, str]:
    key = ec.generate_private_key(curve or ec.SECP256R1())
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@pytest.fixture(name="make_pair", scope="session")
def make_pair_fixture():
    return pem_pair


@pytest.fixture(scope="session")
def pair() -> tuple[str, str]:
    return pem_pair()


@pytest.fixture
def production(pair: tuple[str, str]) -> dict[str, str]:
    private, public = pair
    return {
        "APP_ENV": "production",
        "APP_URL_WEB": "https://singrkaraoke.example",
        "APP_URL_CUSTOMER": "https://customers.singrkaraoke.example",
        "APP_URL_API": "https://api.singrkaraoke.example",
        "DATABASE_URL": "postgresql://singr:pw-canary@db.internal:5432/singr",
        "REDIS_URL": "rediss://:pw-canary@redis.internal:6380/0",
        "AUTH_SECRET": "b3VyIG93biBzZWNyZXQsIGxvbmcgZW5vdWdoIGZvciBhbGw",
        "JWT_PRIVATE_KEY": private,
        "JWT_PUBLIC_KEY": public,
        "EMAIL_PROVIDER": "mailjet",
        "MAILJET_API_KEY": "mj-canary-key",
        "MAILJET_SECRET_KEY": "mj-canary-secret",
        "SMS_PROVIDER": "twilio",
        "TWILIO_ACCOUNT_SID": "AC" + "0123456789abcdef" * 2,
        "TWILIO_AUTH_TOKEN": "tw-canary-token",
        "TWILIO_PHONE_NUMBER": "+15555550100",
        "SMS_COUNTRIES": "US,CA",
    }
