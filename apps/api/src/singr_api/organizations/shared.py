"""What several capabilities of organizations take, and who acts in them."""

from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

from msgspec import Meta

from singr_api.admission.call import Call
from singr_api.http.fields import END
from singr_api.wiring.services import Services
from singr_auth.accounts import ClientInfo
from singr_auth.accounts.organizations import ORGANIZATION_PERMISSIONS, Actor

# No control characters, line separators or direction marks, which hide or split text; and not only spaces.
LINE = rf"^(?=[\s\S]*\S)[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+{END}"
Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=LINE, examples=["Blue Note"])]
if TYPE_CHECKING:
    Permission: TypeAlias = str
else:
    Permission = Literal[tuple(sorted(ORGANIZATION_PERMISSIONS))]  # no type checker reads names made at run time
LINK: Final = {"Link": 'The next page, `rel="next"`; absent on the last.'}


async def acting(call: Call, client: ClientInfo, services: Services) -> Actor:
    """Return who acts for an organization, and whether their session proved what their account asks for today."""
    person = call.caller.person
    whole = person is not None and await services.accounts.reauthentication.is_whole(person.session_id)
    return Actor.of(call.principal, client, whole=whole)
