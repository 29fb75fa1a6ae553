"""The keys that access tokens are signed with: of the settings, or derived where development and tests set none."""

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from singr_auth import KeyRing
from singr_auth._tokens._keys import P256_ORDER
from singr_config import AppEnv, AppSettings, AuthSettings, JwtSettings, Secret

_BYTES: Final = 40  # 64 bits more than the order has, so that the remainder is as good as even (FIPS 186-5, A.2.1)


def signing_keys(app: AppSettings, jwt: JwtSettings, auth: AuthSettings) -> KeyRing:
    """Return the ring of keys.

    Without JWT_PRIVATE_KEY, which production refuses to start without, the key follows from AUTH_SECRET: all processes
    of a developer's machine have the same one, and it outlives their restart.

    Raises:
        KeyFormError: a key is none on P-256, or production has none.
    """
    private = jwt.private_key
    if not private and app.env is not AppEnv.PRODUCTION:
        private = _derived(auth.secret)
    return KeyRing.from_pem(private, jwt.published_keys)


def _derived(secret: Secret) -> Secret:
    material = HKDF(SHA256(), _BYTES, salt=None, info=b"singr-auth development signing key").derive(
        secret.reveal().encode()
    )
    key = ec.derive_private_key(int.from_bytes(material) % (P256_ORDER - 1) + 1, ec.SECP256R1())
    return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
