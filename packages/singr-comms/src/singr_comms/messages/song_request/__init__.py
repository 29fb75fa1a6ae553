"""A singer requested a song at a venue."""

from typing import ClassVar, Final

from singr_comms.catalogue import EXAMPLE_LINK, HttpUrl, Message, MessageType, PersonName, ShortHttpUrl, Title


class SongRequest(Message, tag="song_request", frozen=True, kw_only=True):
    """A singer requested a song at a venue."""

    listed: ClassVar[int] = 100

    venue_name: Title
    artist: Title
    title: Title
    link: HttpUrl
    singer_name: PersonName | None = None


class SongRequestSms(Message, tag="song_request", frozen=True, kw_only=True):
    """A singer requested a song at a venue."""

    listed: ClassVar[int] = 40

    venue_name: Title
    artist: Title
    title: Title
    link: ShortHttpUrl
    singer_name: PersonName | None = None


_VENUE: Final = "The Velvet Microphone"

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="requests",
    email=SongRequest,
    sms=SongRequestSms,
    examples=(
        lambda venue=_VENUE, artist="Queen", title="Somebody to Love", singer="Freddie": SongRequest(
            venue_name=venue, artist=artist, title=title, singer_name=singer, link=EXAMPLE_LINK
        ),
        lambda venue=_VENUE, artist="Queen", title="Somebody to Love": SongRequest(
            venue_name=venue, artist=artist, title=title, link=EXAMPLE_LINK
        ),
        lambda venue=_VENUE, artist="Queen", title="Somebody to Love", singer="Freddie": SongRequestSms(
            venue_name=venue, artist=artist, title=title, singer_name=singer, link=EXAMPLE_LINK
        ),
        lambda venue=_VENUE, artist="Queen", title="Somebody to Love": SongRequestSms(
            venue_name=venue, artist=artist, title=title, link=EXAMPLE_LINK
        ),
    ),
)
