"""A singer asked a venue for a song."""

from typing import ClassVar, Final

from singr_comms.catalogue import EXAMPLE_LINK, HttpUrl, Message, MessageType, PersonName, ShortHttpUrl, Title


class SongRequest(Message, tag="song_request", frozen=True, kw_only=True):
    """A singer asked a venue for a song."""

    listed: ClassVar[int] = 100

    venue_name: Title
    artist: Title
    title: Title
    link: HttpUrl
    singer_name: PersonName | None = None


class SongRequestSms(Message, tag="song_request", frozen=True, kw_only=True):
    """A singer asked a venue for a song."""

    listed: ClassVar[int] = 40

    venue_name: Title
    artist: Title
    title: Title
    link: ShortHttpUrl
    singer_name: PersonName | None = None


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    email=SongRequest,
    sms=SongRequestSms,
    examples=(
        lambda name: SongRequest(venue_name=name, artist=name, title=name, singer_name=name, link=EXAMPLE_LINK),
        lambda name: SongRequest(venue_name=name, artist=name, title=name, link=EXAMPLE_LINK),
        lambda name: SongRequestSms(venue_name=name, artist=name, title=name, singer_name=name, link=EXAMPLE_LINK),
        lambda name: SongRequestSms(venue_name=name, artist=name, title=name, link=EXAMPLE_LINK),
    ),
)
