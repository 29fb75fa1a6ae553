"""Which errors of botocore say that the object store is away, busy, full or set up wrongly."""

import re
import sys
from types import ModuleType
from typing import Final

# What S3 and its like answer while they cannot serve, or while key, rights, clock or bucket are wrong here or there:
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_S3_STATUSES: Final = frozenset({301, 302, 303, 307, 308, 401, 403, 405, 407, 408, 429, *range(500, 600)}) - {501}
_S3_CODES: Final = frozenset(
    {
        *("ExpiredToken", "InvalidToken", "NoSuchBucket", "OperationAborted", "RequestTimeout", "SlowDown"),
        *("AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "InvalidLocationConstraint"),
        "InvalidBucketName",
    }
)
_REGION: Final = re.compile(r"[a-z0-9-]{2,40}")
OTHER_REGION: Final = "S3_REGION, and S3_ENDPOINT, if set, must be those of the bucket's region"
_NO_STORE: Final = "look at S3_ENDPOINT, and at proxies before it"
_ADVICE: Final = {
    "AuthorizationHeaderMalformed": OTHER_REGION,
    "IllegalLocationConstraintException": OTHER_REGION,
    "InvalidLocationConstraint": OTHER_REGION,
    "PermanentRedirect": OTHER_REGION,
    "TemporaryRedirect": OTHER_REGION,
    "301": OTHER_REGION,
    "InvalidBucketName": "S3_BUCKET must be a name that this store takes",
    **dict.fromkeys(("302", "303", "307", "308", "404", "405", "407", "MethodNotAllowed"), _NO_STORE),
}
_S3_KINDS: Final = (
    *("HTTPClientError", "ConnectionError", "IncompleteReadError"),
    *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "MetadataRetrievalError"),
)


def is_outage_of_s3(error: BaseException) -> bool:
    """Tell whether an error of botocore's passes by itself, or by what an operator does."""
    library = sys.modules.get("botocore.exceptions")
    if library is None:
        return False
    if isinstance(error, library.ClientError):  # the store answered
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return status in _S3_STATUSES or s3_code(error) in _S3_CODES
    return isinstance(error, kinds_of(library, _S3_KINDS))


def s3_advice(error: BaseException) -> str:
    """Say after a comma which setting makes up for what a store answered (a `ClientError`); nothing where none does."""
    advice = _ADVICE.get(s3_code(error))
    region = getattr(error, "response", {}).get("Error", {}).get("Region", "")
    named = f" ({region})" if isinstance(region, str) and _REGION.fullmatch(region) else ""
    return f", {advice}{named}" if advice else ""


def s3_code(error: BaseException) -> str:
    """What a store calls that which it answered (a `ClientError`); its status where it has no words, or no store's."""
    answer = getattr(error, "response", {})
    return str(answer.get("Error", {}).get("Code") or answer.get("ResponseMetadata", {}).get("HTTPStatusCode") or "")


def kinds_of(library: ModuleType, names: tuple[str, ...]) -> tuple[type[BaseException], ...]:
    """The errors of these names that a library has, not each release of which has each."""
    return tuple(getattr(library, name) for name in names if hasattr(library, name))
