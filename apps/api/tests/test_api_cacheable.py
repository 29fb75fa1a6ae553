"""Answers that anybody may keep: a validator, 304, and gzip for whoever takes it."""

import gzip
from typing import Any

import httpx
import pytest

DOCUMENTS = ["/schema/page.js", "/schema/openapi.json", "/links/page.js"]


async def raw(url: str, method: str, path: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """The answer, and its body as it came."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as caller:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with caller.stream(method, path, headers=named) as answer:
            return answer, b"".join([part async for part in answer.aiter_raw()])


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_document_is_compressed_for_whoever_takes_that(standing_url: str, path: str) -> None:
    plain, whole = await raw(standing_url, "GET", path, accept_encoding="identity")
    packed, small = await raw(standing_url, "GET", path, accept_encoding="br, gzip")

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(small) == whole
    assert len(small) == int(packed.headers["content-length"]) < len(whole) / 2
    assert packed.headers["etag"] != plain.headers["etag"]
    assert "accept-encoding" in packed.headers["vary"]


@pytest.mark.parametrize("accept", ["", "gzip;q=0", "br", "*;q=0", "identity, gzip;q=0.000"])
async def test_document_is_plain_for_whoever_does_not(standing_url: str, accept: str) -> None:
    answer, _ = await raw(standing_url, "GET", "/schema/openapi.json", accept_encoding=accept)

    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_document_that_is_known_is_not_sent_again(
    standing_url: str, form: str, method: str, encoding: str
) -> None:
    first, _ = await raw(standing_url, "GET", "/schema/openapi.json", accept_encoding=encoding)
    tag = first.headers["etag"]

    again, body = await raw(
        standing_url, method, "/schema/openapi.json", accept_encoding=encoding, if_none_match=form.format(tag)
    )

    assert (again.status_code, body, again.headers["etag"]) == (304, b"", tag)
    assert again.headers["cache-control"] == first.headers["cache-control"]
    assert "content-length" not in again.headers
    assert "x-content-type-options" in again.headers


async def test_document_that_changed_is_sent(standing_url: str) -> None:
    answer, body = await raw(standing_url, "GET", "/schema/openapi.json", if_none_match='"other"')

    assert (answer.status_code, bool(body)) == (200, True)


async def test_head_of_a_document_tells_what_get_would(standing_url: str) -> None:
    get, _ = await raw(standing_url, "GET", "/schema/openapi.json", accept_encoding="gzip")
    head, body = await raw(standing_url, "HEAD", "/schema/openapi.json", accept_encoding="gzip")

    assert body == b""
    told = ("content-length", "content-encoding", "content-type", "etag", "vary", "cache-control")
    assert {name: head.headers[name] for name in told} == {name: get.headers[name] for name in told}


async def test_answer_of_a_caller_has_no_validator(standing_url: str, callers: Any, client: Any) -> None:
    answer = await client(standing_url, callers.own).get("/v1/jobs", headers={"accept-encoding": "gzip"})

    assert "etag" not in answer.headers
    assert "content-encoding" not in answer.headers
