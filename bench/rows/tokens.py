"""What the core of auth costs: checking one access token, and hashing passwords through the bounded pool."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import time
from collections.abc import Callable
from uuid import uuid4

from bench.figures import TURNS, Row, Target, at_least, at_most, median
from bench.harness import Stand
from bench.rows.sign_ins import PASSWORD, bare_rate
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from singr_auth import AccessTokenIssuer, AccessTokenVerifier, KeyRing, PasswordHasher, PublicKeys
from singr_config import Secret

CHECK_TARGET_MS = 0.25
SHARE_TARGET = 0.9
WAITING = 64


def run(place: Stand) -> list[Row]:
    """Measure both against what the libraries below cost alone, by turns."""
    return [checks(place), hashing(place)]


def checks(place: Stand) -> Row:
    """One token checked in full, signature and claims, against its signature alone; other tokens each time."""
    turns, each = place.scaled(9, 1), place.scaled(2_000, 50)
    key = ec.generate_private_key(ec.SECP256R1())
    message, signature = b"x" * 400, key.sign(b"x" * 400, ec.ECDSA(hashes.SHA256()))
    public = key.public_key()
    ring = KeyRing.from_pem(Secret(place.keys["JWT_PRIVATE_KEY"]))
    issuer = AccessTokenIssuer(ring, issuer="bench", audience="bench", ttl=900)
    verifier = AccessTokenVerifier(PublicKeys.from_jwks(ring.jwks()), issuer="bench", audience="bench")
    ours, bare = [], []
    for _ in range(turns):
        tokens = [
            issuer.issue(
                uuid4(), uuid4(), methods=["pwd", "otp"], authenticated_at=dt.datetime.now(dt.UTC)
            ).token.reveal()
            for _ in range(each)
        ]
        bare.append(milliseconds([lambda: public.verify(signature, message, ec.ECDSA(hashes.SHA256()))] * each))
        ours.append(milliseconds([functools.partial(verifier.verify, token) for token in tokens]))
    ratio = median([full / alone for full, alone in zip(ours, bare, strict=True)])
    check = median(ours)
    measure = f"one access token checked, ms (its signature alone: {median(bare):.3f})"
    return row(measure, f"{check:.3f}", ratio, at_most(check, CHECK_TARGET_MS, "ms"))


def hashing(place: Stand) -> Row:
    """Passwords verified a second through `PasswordHasher`, against Argon2id alone on all cores."""
    turns, each = place.scaled(TURNS, 1), place.scaled(200, 16)
    pairs = [(asyncio.run(pooled_rate(each)), bare_rate(each)) for _ in range(turns)]
    share = median([ours / bare for ours, bare in pairs])
    measure = f"passwords verified a second, {WAITING} waiting (bare: {median([bare for _, bare in pairs]):.0f})"
    return row(measure, f"{median([ours for ours, _ in pairs]):.1f}", share, at_least(share, SHARE_TARGET, "of Argon2"))


def row(measure: str, ours: str, ratio: float, target: Target) -> Row:
    """One line of the result, with the ratio to what the library below does alone."""
    return Row("Tokens", measure, ours, ratio=f"{ratio:.2f}", target=target)


async def pooled_rate(number: int) -> float:
    """Passwords verified a second, `WAITING` callers at once."""
    hasher = PasswordHasher()
    stored = await hasher.hash(Secret(PASSWORD))
    places = asyncio.Semaphore(WAITING)

    async def verify() -> None:
        async with places:
            await hasher.verify(stored, Secret(PASSWORD))

    started = time.perf_counter()
    await asyncio.gather(*(verify() for _ in range(number)))
    rate = number / (time.perf_counter() - started)
    hasher.close()
    return rate


def milliseconds(calls: list[Callable[[], object]]) -> float:
    """Time of one call."""
    started = time.perf_counter()
    for call in calls:
        call()
    return (time.perf_counter() - started) * 1000 / len(calls)
