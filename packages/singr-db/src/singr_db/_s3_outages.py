"""Which errors of botocore say that the object store is away, busy, full or set up wrongly."""

import sys
from types import ModuleType
from typing import Final

# What S3 and its like answer while they cannot serve, or while key, rights, clock or bucket are wrong here or there:
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_S3_STATUSES: Final = frozenset({401, 403, 408, 429, *range(500, 600)}) - {501}
_S3_CODES: Final = frozenset(
    {"ExpiredToken", "InvalidToken", "NoSuchBucket", "OperationAborted", "RequestTimeout", "SlowDown"}
)
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
        return status in _S3_STATUSES or error.response.get("Error", {}).get("Code") in _S3_CODES
    return isinstance(error, kinds_of(library, _S3_KINDS))


def kinds_of(library: ModuleType, names: tuple[str, ...]) -> tuple[type[BaseException], ...]:
    """The errors of these names that a library has, not each release of which has each."""
    return tuple(getattr(library, name) for name in names if hasattr(library, name))
