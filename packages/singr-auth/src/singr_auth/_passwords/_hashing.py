"""Password hashes: Argon2id (RFC 9106) with the parameters of OWASP's password storage, in a bounded pool of threads.

A hash takes tens of milliseconds of one core and releases the interpreter lock, so it runs beside the event loop. The
pool has one thread a core: more would only make each hash slower and take 19 MiB each. What waits for a thread is
bounded too, so a flood of sign-ins is refused at the door and memory stays flat.
"""

import asyncio
import base64
import os
import secrets
import sys
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

import argon2

from singr_config import PortableError, Secret
from singr_config.constants import ARGON2, Argon2Parameters

_SALT_BYTES: Final = 16
_NICENESS: Final = 5
_NICEST: Final = 19
_SPACE_SEPARATORS: Final = dict.fromkeys(
    (0x00A0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), " "
)  # category Zs but for the space itself

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class WrongPasswordError(PortableError):
    """The password does not fit, or there is none to compare with: deliberately one error for both."""

    def __init__(self) -> None:
        super().__init__("The password does not fit.")


class PasswordQueueFullError(PortableError):
    """So many passwords wait to be hashed already that this one was not taken on. Try again in a moment."""

    def __init__(self) -> None:
        super().__init__("Too many passwords are being checked right now. Try again in a moment.")


def normalise_password(password: Secret) -> str:
    """Return the password as it is measured and hashed: one spelling for what looks the same (RFC 8265 4.2).

    Composed (NFC), and every other kind of space replaced by the plain one: keyboards differ in what they send.
    """
    return unicodedata.normalize("NFC", password.reveal().translate(_SPACE_SEPARATORS))


class PasswordHasher:
    """Hashes and verifies passwords without holding up the event loop. Make one for a process; close it at the end.

    Args:
        threads: hashes at once; one for each core that this process may use, unless told.
        queue: how many more may wait for a thread.
        parameters: cost of new hashes; a hash made with others verifies, and is made anew.
    """

    def __init__(self, *, threads: int | None = None, queue: int = 256, parameters: Argon2Parameters = ARGON2) -> None:
        workers = threads or _usable_cores()
        self._argon2 = argon2.PasswordHasher(
            time_cost=parameters.time_cost,
            memory_cost=parameters.memory_kib,
            parallelism=parameters.parallelism,
            hash_len=parameters.hash_bytes,
            salt_len=_SALT_BYTES,
            type=argon2.Type.ID,
        )
        self._decoy = _decoy(parameters)
        self._pool = ThreadPoolExecutor(workers, "singr-argon2", initializer=_step_back)
        self._places = threading.BoundedSemaphore(workers + queue)

    async def hash(self, password: Secret) -> str:
        """Return the PHC string to store: algorithm, parameters, salt and hash.

        Raises:
            PasswordQueueFullError: the pool and its queue are full.
        """
        return await self._run(self._hash, password)

    async def verify(self, phc: str | None, password: Secret) -> str | None:
        """Return if the password fits.

        Args:
            phc: the stored PHC string; None where there is none, which costs the same time and then fails.
            password: as typed.

        Returns:
            A new PHC string to store where the parameters have changed since; None where the old one stays.

        Raises:
            WrongPasswordError: it does not fit, or `phc` is None or no Argon2 hash.
            PasswordQueueFullError: the pool and its queue are full.
        """
        fits, renewed = await self._run(self._verify, phc, password)
        if not fits:
            raise WrongPasswordError
        return renewed

    def close(self) -> None:
        """Take nothing on any more; what waits is cancelled, what runs comes to its end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(
        self, work: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> _Result:
        if not self._places.acquire(blocking=False):
            raise PasswordQueueFullError
        try:
            future = self._pool.submit(work, *args, **kwargs)
        except BaseException:
            self._places.release()
            raise
        # released when the work is done or was never begun, not when its caller went away: it still has the thread
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)

    def _hash(self, password: Secret) -> str:
        return self._argon2.hash(_encoded(password))

    def _verify(self, phc: str | None, password: Secret) -> tuple[bool, str | None]:
        encoded = _encoded(password)
        stored = self._decoy if phc is None else phc
        if not self._fits(stored, encoded):
            return False, None
        return True, self._argon2.hash(encoded) if self._argon2.check_needs_rehash(stored) else None

    def _fits(self, phc: str, encoded: bytes) -> bool:
        try:
            return self._argon2.verify(phc, encoded)
        except argon2.exceptions.VerifyMismatchError:
            return False
        except (argon2.exceptions.InvalidHashError, argon2.exceptions.VerificationError):
            if phc == self._decoy:  # not even that can be computed: no memory
                raise
            return self._fits(self._decoy, encoded)  # nothing that we stored; it must cost as much nevertheless


def _encoded(password: Secret) -> bytes:
    return normalise_password(password).encode("utf-8", "surrogatepass")  # a half character is a wrong password


def _decoy(parameters: Argon2Parameters) -> str:
    """A PHC string that no password fits, which costs as much to try as a real one."""
    salt, digest = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(parameters.hash_bytes)
    cost = f"m={parameters.memory_kib},t={parameters.time_cost},p={parameters.parallelism}"
    return f"$argon2id$v=19${cost}${_b64(salt)}${_b64(digest)}"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _usable_cores() -> int:
    # macOS and Windows do not tell which cores a process may use
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _step_back() -> None:
    """Let the event loop go first where both want a core, so that a burst of sign-ins delays no other request."""
    if sys.platform == "linux":  # only there is niceness a thread's own
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS, _NICEST))
