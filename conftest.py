"""What every test of the repository runs with."""

import contextlib
import functools
import gc
import gzip
import json
import os
import re
import signal
import sys
import unicodedata
from collections.abc import Generator, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from _pytest.runner import runtestprotocol
from hypothesis.configuration import storage_directory
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from singr_config.constants import ARGON2, Argon2Parameters
from singr_dev.testing._cost import folded

# Set (as in many images), each of the processes that tests start would compile what it imports anew: 5 s instead of 1.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Ignored, as under nohup and in the background of a script, these would be ignored in every process that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

_CHEAP = Argon2Parameters(memory_kib=8, time_cost=1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what a parallel run of all tests is asked with."""
    parser.addoption("--collect-once", action="store_true", help="in a parallel run, collect in one process (Linux)")


def pytest_configure(config: pytest.Config) -> None:
    """Let made-up inputs take the time that they need: on a busy machine Hypothesis would blame the test for it."""
    if config.getoption("--collect-once") and not hasattr(config, "workerinput") and sys.platform == "linux":
        from collecting import CollectOnce  # noqa: PLC0415 — needs pytest-xdist

        config.pluginmanager.register(CollectOnce())
    if not hasattr(config, "workerinput"):
        _know_what_utf_8_encodes()
    # It would draw one text of forty from the six thousand of our sources, and look through all of them for each kind
    # of text that a test asks for: more than the tests themselves cost.
    providers._get_local_constants = Constants  # noqa: SLF001 — there is no setting
    slow = [hypothesis.HealthCheck.too_slow]
    hypothesis.settings.register_profile("singr", deadline=None, suppress_health_check=slow)
    hypothesis.settings.load_profile("singr")


def _know_what_utf_8_encodes() -> None:
    """Write down for Hypothesis what it would find out from a million letters, in each process until one has told.

    It keeps this file itself, and finds out what it does not understand: under another name, or in another form.
    """
    kept = "unicode_data", unicodedata.unidata_version, "codec-v2-utf-8.json.gz"
    file = storage_directory(*kept, intent_to_write=False).path
    if file.exists():
        return
    everything_but_surrogates = [[0, 0xD7FF], [0xE000, 0x10FFFF]]
    made = file.with_name(f"{file.name}.{os.getpid()}")
    with contextlib.suppress(OSError):  # no place that can be written to
        file.parent.mkdir(parents=True, exist_ok=True)
        made.write_bytes(gzip.compress(json.dumps([everything_but_surrogates, []]).encode()))
        made.rename(file)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the garbage collector what lives until the end: seven thousand tests, and the modules that they need.

    It would walk through them again and again: a fifth of what collecting costs, a tenth of what the tests do.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def _one_tls_context() -> None:
    """Build the TLS context of HTTP clients once: 19 ms for each, and tests speak plain HTTP on this machine."""
    import httpx._transports.default as transports  # noqa: PLC0415 — tests without a client need not wait for it

    transports.create_ssl_context = functools.cache(transports.create_ssl_context)  # type: ignore[assignment] # same form


@pytest.fixture(scope="session", autouse=True)
def _one_key_of_firebase() -> Iterator[None]:
    """Read the key of a service account once: 38 ms for each client that is built, and tests have one key."""
    if (fcm := sys.modules.get("singr_comms.providers.fcm")) is None:  # no test that was collected needs it
        yield
        return

    def signer(key: Any) -> Any:
        if (text := key.reveal()) not in signers:
            signers[text] = read(key)
        return signers[text]

    signers, read = dict[str, Any](), fcm._signer  # noqa: SLF001 — there is no setting
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcm, "_signer", signer)
        yield


@pytest.fixture(scope="session", autouse=True)
def _engines_of_one_make() -> Iterator[None]:
    """Let the databases of all tests share what SQLAlchemy compiles, and what it asks of each server first.

    Each has an engine of its own, whose dialect is a part of the cache's key; those of one make compile alike. To
    compile is a fifth of the time of a test with a database; to ask is four turns with the server, for each engine.
    """
    if (made := sys.modules.get("singr_db.sessions._database")) is None:  # no test that was collected needs it
        yield
        return
    from sqlalchemy.dialects.postgresql.psycopg import PGDialectAsync_psycopg as Dialect  # noqa: PLC0415
    from sqlalchemy.util import LRUCache  # noqa: PLC0415

    make = attrgetter("__class__", "_json_serializer", "_json_deserializer")

    def sharing(*arguments: Any, **more: Any) -> Any:
        engine = create(*arguments, **more)
        engine.sync_engine.update_execution_options(compiled_cache=compiled)
        return engine

    def initialize(dialect: Any, connection: Any) -> None:
        info = connection.connection.driver_connection.info
        where = make(dialect), info.host, info.port, info.dbname, info.user
        if where not in answers:
            before = dict(vars(dialect))
            ask(dialect, connection)
            answers[where] = {
                name: told for name, told in vars(dialect).items() if name not in before or told is not before[name]
            }
        vars(dialect).update(answers[where])

    compiled: Any = LRUCache(2000)
    answers: dict[Any, dict[str, Any]] = {}
    create, ask = made.create_async_engine, Dialect.initialize
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dialect, "__hash__", lambda self: hash(make(self)))
        patch.setattr(Dialect, "__eq__", lambda self, other: isinstance(other, Dialect) and make(self) == make(other))
        patch.setattr(Dialect, "initialize", initialize)
        patch.setattr(made, "create_async_engine", sharing)
        yield


@pytest.fixture(scope="session")
def _singr_cleaners(_singr_cleaners: Any, _singr_servers: Any) -> Iterator[Any]:
    """The plugin's own, with connections that are kept from test to test: a third of what a database costs."""
    from singr_dev.testing._kept import KeptConnections  # noqa: PLC0415 — only tests with a database need it

    with KeptConnections(_singr_servers.postgres.sockets, "singr_test_").used():
        yield _singr_cleaners


@pytest.fixture
def _singr_own_place(_singr_own_place: Path, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a test's own servers lie: in memory, but those of long forms on the disk, for they write much."""
    return tmp_path / "servers" if request.node.get_closest_marker("full") else _singr_own_place


@pytest.fixture(scope="session", autouse=True)
def _cheap_sign_ins() -> Iterator[None]:
    """Hash passwords at the lowest cost (27 ms at that of production), and refuse without waiting (0.2 s each).

    Only in the process of a test, for want of a parameter: no setting of production makes either cheap. Tests that are
    about the cost ask for `production_hashes`; those of real processes meet the real ones.
    """
    with pytest.MonkeyPatch.context() as patch:
        if (auth := sys.modules.get("singr_auth")) is not None:  # a test that was collected needs it
            patch.setitem(auth.PasswordHasher.__init__.__kwdefaults__, "parameters", _CHEAP)
        if (sending := sys.modules.get("singr_auth.accounts.notices._sending")) is not None:
            patch.setattr(sending, "EVEN_SECONDS", 0.0)
        yield


@pytest.fixture
def production_hashes() -> Iterator[None]:
    """What a hash costs in production, for the hashers that the test makes."""
    from singr_auth import PasswordHasher  # noqa: PLC0415 — few tests ask

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PasswordHasher.__init__.__kwdefaults__, "parameters", ARGON2)  # type: ignore[arg-type] # it has some
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """In a parallel run, send one message about a test that passed, and not five, to the process that prints.

    With ten thousand tests these were a twentieth of all that the run cost.
    """
    if not hasattr(item.config, "workerinput"):
        return None
    shown = not {"A", "P"}.isdisjoint(item.config.option.reportchars)
    for report in folded(runtestprotocol(item, log=False, nextitem=nextitem)):
        if report.passed and not shown:  # what it wrote, and by which words it could have been chosen
            report.sections, report.keywords = [], {}
        item.ihook.pytest_runtest_logreport(report=report)
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """In continuous integration, let a test that is skipped fail: what it needs is brought by `.ci/tools`.

    While a report is made, no garbage is collected: that of a test that was cut off may print a traceback, which parses
    its source as pytest does the test's, and CPython 3.11's parser is not reentrant. The whole run would end.
    """
    gc.disable()
    try:
        report: pytest.TestReport = yield  # type: ignore[misc, assignment] # pluggy sends it
    finally:
        gc.enable()
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and continuous integration leaves nothing out: {report.longrepr}"
    return report  # type: ignore[return-value] # likewise


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-k`: do not load files that cannot hold such a test, for neither their path nor their text has the word.

    What is left out so is a test whose name is made elsewhere, of a list that is imported: name its file.
    """
    words = re.findall(r"[^\s()]+", config.getoption("keyword") or "")
    if not words or "not" in words or not collection_path.name.startswith("test_"):
        return None
    where, text = str(collection_path).lower(), collection_path.read_text(encoding="utf-8").lower()
    found = any(word.lower() in where or word.lower() in text for word in words if word not in {"and", "or"})
    return None if found else True
