"""Keys of access tokens: ES256 (ECDSA on P-256 with SHA-256, RFC 7518 3.4), told apart by their thumbprint (RFC 7638).

To replace the signing key without refusing a token: publish the next one first, sign with it once every verifier has
had time to fetch it, and keep the previous one published until its last token has expired.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from singr_config import PortableError, Secret

ALGORITHM: Final = "ES256"
_CURVE: Final = "P-256"
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""How many points its base point makes (SP 800-186, 3.2.1.3): private keys, and numbers of signatures, are smaller."""
_MOST_KEYS: Final = 32
_LONGEST_ID: Final = 200


class KeyFormError(PortableError, ValueError):
    """A key, or a set of keys, that cannot be used. Never carries key material."""


class KeySource(Protocol):
    """Where a verifier finds public keys: `KeyRing`, `PublicKeys`, `RemoteKeys`."""

    def find(self, kid: str) -> ECKey | None:
        """Return the public key of that id, or None."""
        ...


class PublicKeys:
    """Public keys, by their ids. It cannot change: a new set is a new object.

    Args:
        keys: public keys by key id.
    """

    def __init__(self, keys: Mapping[str, ECKey]) -> None:
        self._keys = dict(keys)

    @classmethod
    def from_pem(cls, pems: Iterable[str]) -> "PublicKeys":
        """Read public keys in PEM; their ids are their thumbprints.

        Raises:
            KeyFormError: a text is no public key on P-256.
        """
        keys = (_public(pem) for pem in pems)
        return cls({key.thumbprint(): key for key in keys})

    @classmethod
    def from_jwks(cls, document: object) -> "PublicKeys":
        """Read a JSON Web Key Set (RFC 7517) that was decoded from JSON; keys for other uses are passed over.

        Raises:
            KeyFormError: it is no key set, holds more keys than any issuer needs, or holds a private key.
        """
        entries = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(entries, list) or len(entries) > _MOST_KEYS:
            raise KeyFormError('A key set is a JSON object with a list "keys" of at most 32 keys.')
        found: dict[str, ECKey] = {}
        for entry in entries:
            key = _from_jwk(entry)
            if key is not None:
                found.setdefault(entry["kid"], key)
        return cls(found)

    def find(self, kid: str) -> ECKey | None:
        """Return the public key of that id, or None."""
        return self._keys.get(kid)

    def jwks(self) -> dict[str, Any]:
        """Return the JSON Web Key Set to publish: public members only, in the order of the keys."""
        return {"keys": [_as_jwk(kid, key) for kid, key in self._keys.items()]}


class KeyRing:
    """The key that signs, and every key that is published beside it: the next one, or the previous."""

    def __init__(self, signing_key: ECKey, published: PublicKeys) -> None:
        self._signing_key = signing_key
        self._signing_kid = signing_key.thumbprint()
        own = ECKey.import_key(_public_members(signing_key))
        self._public = PublicKeys({self._signing_kid: own, **published._keys})  # noqa: SLF001 — the class above

    @classmethod
    def from_pem(cls, private: Secret, published: Sequence[str] = ()) -> "KeyRing":
        """Read keys in PEM.

        Args:
            private: the key that signs: P-256, PKCS #8 or SEC 1, without a passphrase.
            published: further public keys to verify with and to publish; the signing key's own may be among them.

        Raises:
            KeyFormError: a text is no such key.
        """
        key = _from_pem(private.reveal())
        if key is None or not key.is_private:
            raise KeyFormError("The signing key must be a private key on P-256 in PEM, without a passphrase.")
        return cls(key, PublicKeys.from_pem(published))

    @property
    def signing_kid(self) -> str:
        """Id of the key that signs."""
        return self._signing_kid

    @property
    def signing_key(self) -> ECKey:
        """The private key: for the issuer."""
        return self._signing_key

    def find(self, kid: str) -> ECKey | None:
        """Return the public key of that id, or None."""
        return self._public.find(kid)

    def jwks(self) -> dict[str, Any]:
        """Return the JSON Web Key Set to publish: public members only, the signing key first."""
        return self._public.jwks()

    def __repr__(self) -> str:
        return f"KeyRing(signing_kid={self._signing_kid!r})"


def _public(pem: str) -> ECKey:
    key = _from_pem(pem)
    if key is None or key.is_private:
        raise KeyFormError("A published key must be a public key on P-256 in PEM.")
    return key


def _from_pem(pem: str) -> ECKey | None:
    try:
        key = ECKey.import_key(pem)
    except (JoseError, ValueError, TypeError):
        return None
    return key if key.curve_name == _CURVE else None


def _from_jwk(entry: object) -> ECKey | None:
    """The key, or None where it is not one to verify access tokens with."""
    if not isinstance(entry, dict):
        return None
    if "d" in entry or "k" in entry:
        raise KeyFormError("This key set holds a private key: its issuer must replace it at once.")
    kid = entry.get("kid")
    fits = (
        (entry.get("kty"), entry.get("crv")) == ("EC", _CURVE)
        and entry.get("use", "sig") == "sig"
        and entry.get("alg", ALGORITHM) == ALGORITHM
        and isinstance(kid, str)
        and 0 < len(kid) <= _LONGEST_ID
    )
    if not fits:
        return None
    try:
        key = ECKey.import_key({member: entry[member] for member in ("kty", "crv", "x", "y")})
        key.public_key  # noqa: B018 — computes the point, which must lie on the curve
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key


def _public_members(key: ECKey) -> dict[str, str | list[str]]:
    members = key.as_dict(private=False)
    return {name: str(members[name]) for name in ("kty", "crv", "x", "y")}


def _as_jwk(kid: str, key: ECKey) -> dict[str, Any]:
    return {**_public_members(key), "kid": kid, "use": "sig", "alg": ALGORITHM}
