"""Fixtures for tests against real servers (see README).

Nothing is started until a test asks for it; the servers are shared by all processes of a run and end with it.
"""

import contextlib
import functools
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from singr_config import Settings
    from singr_db import Database
    from singr_dev.browser import Browser, Chromium
    from singr_dev.clock import VirtualClock
    from singr_dev.embedded import EmbeddedServers, RabbitServer
    from singr_dev.fault_proxy import FaultProxy
    from singr_dev.inbox import Inbox
    from singr_dev.simulators import MailjetSimulator, TwilioSimulator
    from singr_dev.testing import SharedServers

_SERVERS = pytest.StashKey["SharedServers"]()


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _worker_number(config: pytest.Config) -> int:
    worker = getattr(config, "workerinput", {}).get("workerid", "gw-1")
    return int(worker.removeprefix("gw"))


class _Nodes:
    """Tells the processes of a parallel run where the servers are; registered only where pytest-xdist is."""

    def __init__(self, servers: "SharedServers") -> None:
        self._servers = servers

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["singr_servers"] = str(self._servers.state)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadgroup`: tests of the files that are marked with one `xdist_group` run in one process.

    pytest-xdist's own way (3.8) writes the group into an attribute that pytest 9 no longer has, and so groups nothing.
    """
    if config.getvalue("dist") != "loadgroup":
        return None
    from singr_dev.testing._scheduler import ByFile  # noqa: PLC0415 — needs pytest-xdist, which then is there

    return ByFile(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what the costs of tests are asked with."""
    group = parser.getgroup("singr")
    group.addoption("--costs", type=int, metavar="N", help="print CPU-seconds, and the N dearest tests and fixtures")
    group.addoption("--budget", metavar="LIST", help="fail where a test costs too much and is not in this list")
    group.addoption("--shuffle", type=int, metavar="SEED", help="run files, and the tests in each, in a random order")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--shuffle`: put the tests into another order, the same in every process of the run."""
    if (seed := config.getoption("--shuffle")) is not None:
        from singr_dev.testing._order import shuffled  # noqa: PLC0415 — few runs ask

        items[:] = shuffled(items, seed)


def pytest_configure(config: pytest.Config) -> None:
    """Name the run's servers (they start with the first test that wants them)."""
    from singr_dev.testing import SharedServers  # noqa: PLC0415 — costs nothing in runs without tests of ours
    from singr_dev.testing._cost import Budget, Costs, Meter  # noqa: PLC0415

    known = config.getoption("--budget")
    if known is not None or config.getoption("--costs") is not None:
        config.pluginmanager.register(Meter(), "singr-meter")
    if not _is_worker(config) and config.getoption("--costs") is not None:
        config.pluginmanager.register(costs := Costs(config), "singr-costs")
        config.add_cleanup(costs.say)  # what is registered first comes last
    if not _is_worker(config) and known is not None:
        config.pluginmanager.register(Budget(config.rootpath / known), "singr-budget")

    if _is_worker(config):
        config.stash[_SERVERS] = SharedServers.attach(config.workerinput["singr_servers"])  # type: ignore[attr-defined] # set by xdist
        return
    if config.getoption("collectonly", default=False):
        return
    servers = SharedServers.begin()
    config.stash[_SERVERS] = servers
    config.add_cleanup(servers.end)
    config.pluginmanager.register(_Nodes(servers), "singr-nodes")


# What a fixture stands on has a private name, so that a project or another plugin with a `settings`, `db` or `inbox` of
# its own (pytest-django, a user's conftest) replaces that one fixture, and breaks none of the others.
@pytest.fixture(scope="session")
def _singr_servers(request: pytest.FixtureRequest) -> "SharedServers":
    return request.config.stash[_SERVERS].ready()


@pytest.fixture(scope="session")
def shared_servers(_singr_servers: "SharedServers") -> "SharedServers":
    """The PostgreSQL and Valkey of this test run, running (PostgreSQL without fsync)."""
    return _singr_servers


@pytest.fixture(scope="session")
def _singr_cleaners(_singr_servers: "SharedServers", request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Databases of this process, each cloned when it is first asked for; with the way back to its first content."""
    from singr_db import upgrade  # noqa: PLC0415 — only tests with a database need it
    from singr_dev.clock import install_virtual_clock  # noqa: PLC0415
    from singr_dev.testing import Cleaner, clone  # noqa: PLC0415

    made: dict[tuple[Any, bool], Cleaner] = {}

    def cleaner(content: Callable[[str], object] | None = None, *, moved: bool = False) -> Cleaner:
        if (content, moved) not in made:
            name = f"singr_test_{_worker_number(request.config) + 1}_{len(made)}"
            clone(_singr_servers.postgres.url("postgres"), _singr_servers.template(upgrade), name)
            url = _singr_servers.postgres.url(name)
            if moved:
                install_virtual_clock(url)
            if content is not None:
                content(url)
            made[content, moved] = Cleaner(url)  # before any test has written to it
        return made[content, moved]

    yield cleaner
    for one in made.values():
        one.close()


@pytest.fixture(scope="session")
def postgres_url(_singr_cleaners: Any) -> str:
    """A migrated database of this test process; what tests write stays in it (see `database_url`)."""
    url: str = _singr_cleaners().url
    return url


@pytest.fixture(scope="session")
def singr_fresh_database() -> Callable[[str], object] | None:
    """What a fresh database holds beside its tables: nothing.

    A `conftest.py` may have a fixture of this name for its tests, which returns a function that writes to the database
    of a URL. It is called once a process, and each test then begins with that content.
    """
    return None


@pytest.fixture
def _singr_database_url(
    _singr_cleaners: Any, singr_fresh_database: Callable[[str], object] | None, request: pytest.FixtureRequest
) -> str:
    # a test with a clock has a database that goes by it
    cleaner = _singr_cleaners(singr_fresh_database, moved="_singr_clock" in request.fixturenames)
    cleaner.clean()
    url: str = cleaner.url
    return url


@pytest.fixture
def database_url(_singr_database_url: str) -> str:
    """The same database, brought back to the content of a fresh one before the test."""
    return _singr_database_url


@pytest.fixture(scope="session")
def _singr_redis_url(_singr_servers: "SharedServers", request: pytest.FixtureRequest) -> str:
    return _singr_servers.valkey.url(_worker_number(request.config) + 1)


@pytest.fixture(scope="session")
def redis_url(_singr_redis_url: str) -> str:
    """A Redis database of this test process; what tests write stays in it (see `clean_redis_url`)."""
    return _singr_redis_url


@pytest.fixture(scope="session")
def _singr_redis_cleaner(_singr_redis_url: str) -> Iterator[Any]:
    import redis  # noqa: PLC0415 — for those who ask for it

    with redis.Redis.from_url(_singr_redis_url) as client:
        yield client


@pytest.fixture
def _singr_clean_redis_url(_singr_redis_url: str, _singr_redis_cleaner: Any) -> str:
    _singr_redis_cleaner.flushdb()
    return _singr_redis_url


@pytest.fixture
def clean_redis_url(_singr_clean_redis_url: str) -> str:
    """The same Redis database, flushed before the test."""
    return _singr_clean_redis_url


@pytest.fixture(scope="session")
def _singr_running_mailjet() -> "Iterator[MailjetSimulator]":
    from singr_dev.simulators import mailjet  # noqa: PLC0415 — for those who ask for it

    with mailjet.serve() as simulator:
        yield simulator


@pytest.fixture
def _singr_mailjet(_singr_running_mailjet: "MailjetSimulator") -> "MailjetSimulator":
    _singr_running_mailjet.reset()
    return _singr_running_mailjet


@pytest.fixture
def mailjet(_singr_mailjet: "MailjetSimulator") -> "MailjetSimulator":
    """A well-behaved Mailjet that has received nothing yet."""
    return _singr_mailjet


@pytest.fixture(scope="session")
def _singr_running_twilio() -> "Iterator[TwilioSimulator]":
    from singr_dev.simulators import twilio  # noqa: PLC0415 — for those who ask for it

    with twilio.serve() as simulator:
        yield simulator


@pytest.fixture
def _singr_twilio(_singr_running_twilio: "TwilioSimulator") -> "TwilioSimulator":
    _singr_running_twilio.reset()
    return _singr_running_twilio


@pytest.fixture
def twilio(_singr_twilio: "TwilioSimulator") -> "TwilioSimulator":
    """A well-behaved Twilio that has received nothing yet."""
    return _singr_twilio


@pytest.fixture(scope="session")
def _singr_running_inbox(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Inbox]":
    from singr_dev.inbox import Inbox  # noqa: PLC0415 — for those who ask for it

    with Inbox(tmp_path_factory.mktemp("inbox")) as inbox:
        yield inbox


@pytest.fixture
def _singr_inbox(_singr_running_inbox: "Inbox") -> "Inbox":
    _singr_running_inbox.clear()
    return _singr_running_inbox


@pytest.fixture
def inbox(_singr_inbox: "Inbox") -> "Inbox":
    """An empty mailbox on real SMTP."""
    return _singr_inbox


@pytest.fixture
def faulty() -> "Iterator[Callable[[str], FaultProxy]]":
    """`faulty(url)` is a proxy to that address that can cut, delay, drop and refuse; gone after the test."""
    from singr_dev.fault_proxy import FaultProxy  # noqa: PLC0415 — for those who ask for it

    with contextlib.ExitStack() as stack:
        yield lambda url: stack.enter_context(FaultProxy(url))


@pytest.fixture
def _singr_own_place(_singr_servers: "SharedServers") -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="own-", dir=_singr_servers.state))
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def own_servers(_singr_servers: "SharedServers", _singr_own_place: Path) -> "Iterator[EmbeddedServers]":
    """A migrated PostgreSQL and a Valkey of this test alone, crash-safe, to be stopped, killed or restarted."""
    from singr_db import upgrade  # noqa: PLC0415 — only tests with a database need it
    from singr_dev.embedded import EmbeddedServers  # noqa: PLC0415

    servers = EmbeddedServers(_singr_own_place)
    shutil.copytree(_singr_servers.cluster(upgrade), servers.postgres.data)
    with servers:
        yield servers


@pytest.fixture(scope="session")
def _singr_rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[RabbitServer]":
    from singr_dev.embedded import RabbitServer  # noqa: PLC0415 — for those who ask for it
    from singr_dev.testing import absent  # noqa: PLC0415

    if RabbitServer.program() is None:
        absent("no rabbitmq-server is installed here (Debian: apt-get install rabbitmq-server)")
    node = RabbitServer(tmp_path_factory.mktemp("rabbitmq"))
    yield node
    node.stop()


@pytest.fixture
def rabbitmq(_singr_rabbitmq: "RabbitServer") -> "RabbitServer":
    """A running RabbitMQ node, one for the tests of a process, to be stopped, killed or frozen.

    Where none is installed, the test is skipped with a word about it; in continuous integration (CI=true) it fails.
    """
    _singr_rabbitmq.ensure()
    return _singr_rabbitmq


@functools.cache
def _settings_for(environ: tuple[tuple[str, str], ...]) -> "Settings":
    """Loaded once for the same variables, since settings never change: a millisecond for each of thousands of tests."""
    from singr_config.testing import settings_for_tests  # noqa: PLC0415 — for those who ask for it

    return settings_for_tests(**dict(environ))


@pytest.fixture
def _singr_settings(
    _singr_database_url: str, _singr_clean_redis_url: str, request: pytest.FixtureRequest
) -> "Settings":
    environ = {"DATABASE_URL": _singr_database_url, "REDIS_URL": _singr_clean_redis_url}
    for name in ("_singr_inbox", "_singr_mailjet", "_singr_twilio"):
        if name in request.fixturenames:  # also those that the test's own fixtures ask for
            environ |= request.getfixturevalue(name).environ
    return _settings_for(tuple(sorted(environ.items())))


@pytest.fixture
def settings(_singr_settings: "Settings") -> "Settings":
    """Settings for these servers, and for those of `mailjet`, `twilio` and `inbox` that the test asks for too."""
    return _singr_settings


@pytest.fixture
def _singr_clock(_singr_settings: "Settings", tmp_path_factory: pytest.TempPathFactory) -> "Iterator[VirtualClock]":
    from singr_dev.clock import VirtualClock  # noqa: PLC0415 — for those who ask for it

    with VirtualClock(tmp_path_factory.mktemp("clock"), _singr_settings).running() as clock:
        yield clock


@pytest.fixture
def clock(_singr_clock: "VirtualClock") -> "VirtualClock":
    """A clock to turn (`advance`, `move_to`), by which this process and the test's database and Redis limits go."""
    return _singr_clock


@pytest.fixture
async def db(_singr_settings: "Settings") -> "AsyncIterator[Database]":
    """The database of the plugin's own `settings`, opened and closed for the test."""
    from singr_db import Database  # noqa: PLC0415 — for those who ask for it

    database = Database(_singr_settings.database, application_name="singr-tests")
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture(scope="session")
def _singr_chromium() -> "Iterator[Callable[[], Chromium]]":
    from singr_dev.browser import Chromium  # noqa: PLC0415 — for those who ask for it

    started: list[Chromium] = []

    def running() -> Chromium:
        if not started or started[-1].ended:  # a test found it hanging
            started.append(Chromium())
        return started[-1]

    yield running
    for one in started:
        one.end()


@pytest.fixture
async def browser(_singr_chromium: "Callable[[], Chromium]") -> "AsyncIterator[Browser]":
    """An installed Chromium, without a window: one for the tests of a process, each with tabs and cookies of its own.

    Where there is none, the test is skipped with a word about it; in continuous integration (CI=true) it fails.
    """
    from singr_dev.browser import INSTALL, Browser, find_browser  # noqa: PLC0415 — for those who ask for it
    from singr_dev.testing import absent  # noqa: PLC0415

    if find_browser() is None:
        absent(INSTALL)
    async with Browser.at(_singr_chromium()) as running:
        yield running
