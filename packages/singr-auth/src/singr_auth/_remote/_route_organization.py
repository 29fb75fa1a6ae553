"""Which organization a route's own path names, for the adapters of web frameworks."""

import re
from collections.abc import Mapping
from typing import Any, Final

from singr_config import PortableError

PATH_PARAMETER: Final = "organization_id"

_LIKE_ONE: Final = re.compile(r"org|tenant", re.IGNORECASE)


class UnclearOrganizationError(PortableError):
    """A route leaves open which organization is judged: the service's mistake, not a caller's."""


class FromPath:
    """How a requirement finds its organization.

    Args:
        named: the path's parameter, or `""`: `organization_id` where the path has it, else the header. None: always
            the header, whatever the path says.
    """

    def __init__(self, named: str | None) -> None:
        self._named = named

    def check(self, parameters: Mapping[str, Any] | set[str]) -> None:
        """Return if a route with these path parameters is clear about its organization.

        Raises:
            UnclearOrganizationError: one that looks like an organization is not judged, or the one named is not there.
        """
        if self._named is None or (not self._named and PATH_PARAMETER in parameters):
            return
        if self._named:
            if self._named not in parameters:
                raise UnclearOrganizationError(f"The path has no parameter {self._named}: organization= names one.")
            return
        alike = next((name for name in parameters if _LIKE_ONE.search(name)), None)
        if alike is not None:
            raise UnclearOrganizationError(
                f"Say whose permission this takes: organization={alike!r} for the path's parameter, or "
                "organization=None for the header's."
            )

    def find(self, parameters: Mapping[str, Any], in_header: str | None) -> str | None:
        """Return the organization that a request names, as it was written, or None.

        Raises:
            UnclearOrganizationError: as `check`.
        """
        self.check(parameters)
        if self._named is None:
            return in_header
        in_path = parameters.get(self._named or PATH_PARAMETER)
        if in_path is None:
            return in_header
        return str(in_path) or "none"  # an empty one is malformed; the header does not stand in for it
