"""Nothing reads the time by a way that tests cannot turn (decision 51). What ruff can see, its TID251 refuses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from architecture.repository import distributions

# They stay with the server's time, whatever the search path says.
UNMOVED_SQL = re.compile(
    r"\b(current_(timestamp|date|time)|local(timestamp|time)|(statement|transaction)_timestamp|timeofday|uuidv[17])\b"
    r"|pg_catalog\.(now|clock_timestamp)|'(now|today|tomorrow|yesterday)'|call\('TIME'\)",
    re.IGNORECASE,
)
# They tell the moment they are given, and read the machine's without one: by how many arguments that is.
GIVEN_A_MOMENT = {"formatdate": 1, "gmtime": 1, "localtime": 1, "ctime": 1, "asctime": 1, "strftime": 2}
TIME_MODULES = {"time", "utils", "email"}

MAY = {
    "singr_dev/clock.py": "turns it",
    "singr_jobs/maintenance/_clearer.py": "tells how long others have had a transaction open",
    "singr_db/limits/_rate.py": "adds to Redis's time what the clock was moved by",
}
EXCEPT_IN = ("singr_observability",)  # log lines and metrics say when the machine did what it did


def readings(source: str) -> Iterator[str]:
    """Line and words of each reading of the time that a test cannot turn."""
    tree = ast.parse(source)
    words = {id(text) for node in ast.walk(tree) for text in _docstring(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in words:
            if found := UNMOVED_SQL.search(node.value):
                yield f"{node.lineno}: {found[0]}"
        elif isinstance(node, ast.Call) and _reads(node):
            yield f"{node.lineno}: {ast.unparse(node)}"


def _docstring(node: ast.AST) -> list[ast.Constant]:
    body = getattr(node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    return [first.value] if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) else []


def _reads(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(ast.Name("func"), name):
            return UNMOVED_SQL.fullmatch(name) is not None  # of SQLAlchemy
        case ast.Name(name):
            pass
        case ast.Attribute(ast.Name(module) | ast.Attribute(attr=module), name) if module in TIME_MODULES:
            pass
        case _:
            return False
    return name in GIVEN_A_MOMENT and len(call.args) + len(call.keywords) < GIVEN_A_MOMENT[name]


def test_nothing_reads_a_time_that_tests_cannot_turn() -> None:
    coarse = re.compile(f"{UNMOVED_SQL.pattern}|{'|'.join(GIVEN_A_MOMENT)}", re.IGNORECASE)
    found, excused = [], set()
    for distribution in distributions():
        for path in distribution.modules() if distribution.package not in EXCEPT_IN else ():
            name = path.relative_to(distribution.source.parent).as_posix()
            if not coarse.search(source := path.read_text()):
                continue  # a tree of each file would cost a second
            for reading in readings(source):
                excused.add(name)
                if name not in MAY:
                    found.append(f"{path}:{reading}")
    assert found == [], "say now() in SQL, singr_config.clock.clock in Python, new_id() for an id:\n" + "\n".join(found)
    assert excused >= MAY.keys(), "an excuse that nothing needs"


@pytest.mark.parametrize(
    "source",
    [
        'text("SELECT CURRENT_TIMESTAMP")',
        'text("INSERT INTO venues (id) VALUES (uuidv7())")',
        "func.current_timestamp()",
        "eval(\"redis.call('TIME')\")",
        "email.utils.formatdate(usegmt=True) if False else formatdate()",
        'time.strftime("%Y")',
        "gmtime()",
    ],
)
def test_a_reading_of_the_machines_or_servers_own_time_is_seen(source: str) -> None:
    assert len(list(readings(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        'text("SELECT now(), clock_timestamp()")',
        '"""An id (uuidv7())."""',
        "formatdate(clock.time())",
        'time.strftime("%Y", time.gmtime(moment))',
        'moment.strftime("%Y")',
    ],
)
def test_a_reading_that_can_be_turned_is_left_alone(source: str) -> None:
    assert list(readings(source)) == []
