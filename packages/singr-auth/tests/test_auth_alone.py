"""`pip install singr-auth` alone is enough for its core: proved in an interpreter that can import nothing else."""

import json
import subprocess
import sys

import pytest

import singr_auth

ABSENT = (
    *("singr_db", "singr_jobs", "singr_observability", "singr_comms", "singr_dev", "singr_api", "singr_worker"),
    *("sqlalchemy", "psycopg", "alembic", "redis", "dramatiq", "fastapi", "litestar", "starlette", "uvicorn", "loguru"),
    *("httpx", "segno", "webauthn", "prometheus_client", "sentry_sdk"),
)
BARRED = f"""
import sys

class Bar:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Bar())
"""
USE = """
import asyncio, datetime as dt, uuid
import singr_auth
from singr_auth import *
from singr_config import Secret
from joserfc.jwk import ECKey

pem = ECKey.generate_key("P-256", private=True).as_pem(private=True).decode()
ring = KeyRing.from_pem(Secret(pem))
issuer = AccessTokenIssuer(ring, issuer="us", audience="api", ttl=60)
issued = issuer.issue(uuid.uuid4(), uuid.uuid4(), methods=["pwd"], authenticated_at=dt.datetime.now(dt.UTC))
verifier = AccessTokenVerifier(PublicKeys.from_jwks(ring.jwks()), issuer="us", audience="api")
assert verifier.verify(issued.token.reveal()).methods == ("pwd",)

async def passwords():
    hasher = PasswordHasher(threads=1)
    phc = await hasher.hash(Secret("correct horse battery staple"))
    assert await hasher.verify(phc, Secret("correct horse battery staple")) is None
    hasher.close()

asyncio.run(passwords())
PasswordPolicy().check(Secret("correct horse battery staple"))
assert parse_token(TokenKind.REFRESH, new_token(TokenKind.REFRESH).secret.reveal())
assert parse_api_key(new_api_key().secret.reveal())
provisioning_uri(new_totp_secret(), account="a@b.example", issuer="Singr")
assert len(new_backup_codes()) == 10
assert check_code_form(new_code().reveal())
key = SigningKey("svc", new_signing_secret())
assert sign_request(key, method="GET", path="/", body=b"")
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-c", BARRED + program], capture_output=True, text=True, check=False, timeout=60
    )


def test_the_core_works_without_database_queue_web_framework_and_extras() -> None:
    done = run(USE)
    assert done.returncode == 0, done.stderr


def test_importing_the_core_starts_nothing_and_brings_only_what_it_needs() -> None:
    done = run(
        "import threading, singr_auth\n"
        "assert threading.active_count() == 1\n"
        f"assert not set(sys.modules) & set({ABSENT!r}), sys.modules\n"
    )
    assert done.returncode == 0, done.stderr


# What needs an extra, and which: by a name of the package, and by an import.
NAMES = {
    "SignedRequestAuth": "httpx",
    "RemoteKeys": "httpx",
    "RemoteAccessTokenVerifier": "httpx",
    "qr_svg": "segno",
    "qr_png": "segno",
}
IMPORTS = {
    "from singr_auth import SignedRequestAuth": "httpx",
    "from singr_auth import RemoteKeys": "httpx",
    "from singr_auth import RemoteAccess": "httpx",
    "from singr_auth import qr_svg": "qr",
    "import singr_auth.accounts": "accounts",
    "import singr_auth.fastapi": "fastapi",
    "import singr_auth.litestar": "litestar",
}
TRY = """
import json, traceback

told = {}
for program in PROGRAMS:
    try:
        exec(program, {})
    except Exception as error:
        told[program] = "".join(traceback.format_exception(error))
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    """How each of these programs ends: what Python would say of it. One process tries all."""
    programs = [*IMPORTS, *(f"import singr_auth; singr_auth.{name}" for name in (*NAMES, "nothing"))]
    done = run(TRY.replace("PROGRAMS", repr(programs)))
    assert done.returncode == 0, done.stderr
    said: dict[str, str] = json.loads(done.stdout)
    return said


@pytest.mark.parametrize(("name", "package"), NAMES.items())
def test_what_an_extra_brings_says_so_when_it_is_asked_for(told: dict[str, str], name: str, package: str) -> None:
    said = told[f"import singr_auth; singr_auth.{name}"]
    assert f"No module named '{package}'" in said
    assert said.splitlines()[-1].startswith(f"AttributeError: {package} is not installed: install singr-auth[")


def test_package_can_be_looked_through_without_extras() -> None:
    done = run(
        "import inspect, pydoc, singr_auth; from singr_auth import *; assert not hasattr(singr_auth, 'RemoteKeys');"
        "assert 'RemoteKeys' not in singr_auth.__all__; inspect.getmembers(singr_auth); pydoc.render_doc(singr_auth)"
    )
    assert done.returncode == 0, done.stderr


def test_everything_is_listed_where_the_extras_are_installed() -> None:
    assert set(singr_auth._LAZY) <= set(singr_auth.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error(told: dict[str, str]) -> None:
    last = told["import singr_auth; singr_auth.nothing"].splitlines()[-1]
    assert last.startswith("AttributeError: ")
    assert "nothing" in last


@pytest.mark.parametrize(("program", "extra"), IMPORTS.items())
def test_missing_extra_is_named(told: dict[str, str], program: str, extra: str) -> None:
    said = told[program]
    assert f"install singr-auth[{extra}]" in said.splitlines()[-1], said
