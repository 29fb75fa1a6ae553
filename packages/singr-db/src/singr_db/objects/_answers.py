"""Is what answered an object store? A portal or a proxy says 200 to everything, and has kept nothing."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from singr_db._errors import ObjectStoreAwayError

FOREIGN: Final = (
    "what answered is no object store, but perhaps a portal or a proxy: look at S3_ENDPOINT, and at what lies before it"
)


def tag_of(answer: Mapping[str, Any]) -> str:
    """Give the ETag, which a store gives to whatever it keeps.

    Raises:
        ObjectStoreAwayError: there is none, or a page: something else has answered.
    """
    refuse_pages(answer)
    if not (tag := answer.get("ETag")):
        raise ObjectStoreAwayError(FOREIGN)
    return str(tag)


def refuse_pages(answer: Mapping[str, Any]) -> None:
    """Let an answer pass that is no page for people.

    Raises:
        ObjectStoreAwayError: it is one.
    """
    said = answer.get("ResponseMetadata", {})
    headers = said.get("HTTPHeaders", {})
    empty = said.get("HTTPStatusCode") == HTTPStatus.NO_CONTENT or headers.get("content-length") == "0"
    if headers.get("content-type", "").startswith("text/html") and not empty:
        raise ObjectStoreAwayError(FOREIGN)


def upload_of(answer: Mapping[str, Any]) -> str:
    """Give the id under which parts are taken.

    Raises:
        ObjectStoreAwayError: there is none: something else has answered.
    """
    if not (upload := answer.get("UploadId")):
        raise ObjectStoreAwayError(FOREIGN)
    return str(upload)
