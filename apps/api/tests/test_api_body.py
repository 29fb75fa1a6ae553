"""What a body must be, and what looking costs."""

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singr_api.http.body import check_body, field_at
from singr_api.http.problems import Problem

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(_has_nul, value))


@given(value=JSON, ascii_only=st.booleans())
def test_good_json_passes_and_a_nul_never_does(value: Any, *, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    if _has_nul(value):
        with pytest.raises(Problem, match="NUL"):
            check_body(body)
    else:
        check_body(body)


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail_otherwise_than_by_refusing(body: bytes) -> None:
    with contextlib.suppress(Problem):
        check_body(body)


@pytest.mark.parametrize("depth", [1, 63, 64])
def test_sixty_four_levels_pass(depth: int) -> None:
    check_body(b"[" * depth + b"1" + b"]" * depth)
    check_body(b'{"a":' * depth + b"1" + b"}" * depth)


@pytest.mark.parametrize("body", [b"[" * 65 + b"]" * 65, b'{"a":' * 65 + b"1" + b"}" * 65, b"[" * 65])
def test_sixty_five_levels_do_not(body: bytes) -> None:
    with pytest.raises(Problem, match="64 levels"):
        check_body(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"' + b"[" * 1000 + b'"}',
        b'{"a":"\\"' + b"[" * 1000 + b'"}',
        b"[" + b"[],{}," * 500 + b"[]]",
        b'{"a":"12345678901234567890123"}',
        b'{"a":1.2345678901234567890123}',
        b'{"a":12345678901234567890e-5}',
        b'{"a":9223372036854775807,"b":-9223372036854775808}',
        b'{"a":"\\\\u0000"}',
        b'{"a":"\\ud83d\\ude00"}',
        '{"a":"😀"}'.encode(),
    ],
)
def test_what_only_looks_dangerous_passes(body: bytes) -> None:
    check_body(body)


@pytest.mark.parametrize("text", ["9223372036854775808", "-9223372036854775809", "1" * 25, "1" * 100_000])
def test_integer_past_64_bits_does_not_pass(text: str) -> None:
    with pytest.raises(Problem, match="64 bits") as caught:
        check_body(f'{{"a":{{"b":[1,{text}]}}}}'.encode())
    assert caught.value.errors[0].field == "a.b[1]"


@pytest.mark.parametrize(
    "text", ["\\ud800", "\\udc00", "\\udc00\\ud800", "\\ud800x\\udc00", "\\ud800\\ud800", "\\ud800\\n\\udc00"]
)
def test_half_a_character_does_not_pass(text: str) -> None:
    with pytest.raises(Problem, match="surrogate") as caught:
        check_body(f'{{"x":1,"a":{{"b":"{text}"}}}}'.encode())
    assert caught.value.errors[0].field == "a.b"


def test_field_is_found_by_its_place() -> None:
    body = b'{"a": [1, {"b": "x", "c": {"d": "HERE"}}], "e": 5}'
    assert field_at(body, body.index(b"HERE")) == "a[1].c.d"
    assert field_at(body, body.index(b"5")) == "e"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"' + b'\\"' * 500_000,
        b'"' * 1_000_000,
        b"[" * 500_000 + b"]" * 500_000,
        b"[" + b"[]," * 330_000 + b"[]]",
        b'{"a":"' + b"\\u0041" * 160_000 + b'"}',
        b"9" * 1_000_000,
        b'["1",' * 190_000,
    ],
)
@pytest.mark.timeout(60)  # tenths of a second on a free core; quadratic would be minutes
def test_hostile_body_of_a_megabyte_costs_little(body: bytes) -> None:
    with contextlib.suppress(Problem):
        check_body(body)


@pytest.mark.full
def test_good_body_costs_microseconds() -> None:
    body = json.dumps({"type": "sms.send", "payload": {"to": "+15555550100", "text": "x" * 200}}).encode()
    best = float("inf")
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(500):
            check_body(body)
        best = min(best, (time.perf_counter() - started) / 500)
    assert best < 15e-6  # 5 µs on a free core; the margin is for a busy machine
