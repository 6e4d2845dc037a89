"""The Slice face of the catalogue."""

from collections.abc import Callable

from iceflix.catalog.catalogue import Catalogue, Tile
from iceflix.contract import Ice, IceFlix
from iceflix.runtime.boundary import event, operation
from iceflix.runtime.errors import NotAuthorized, NotAvailable, UnknownMedia


class MediaCatalogServant(IceFlix.MediaCatalog):
    """Answers questions about titles, and takes edits from those who are authorised."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    @operation(UnknownMedia, NotAvailable)
    def getTile(self, media_id: str, _current: Ice.Current | None = None) -> IceFlix.Media:
        """Return the title and its newest live provider, when that has answered."""
        answer: Ice.Future[IceFlix.Media] = Ice.Future()

        def found(tile: Tile | None) -> None:
            if tile is None:
                answer.set_exception(IceFlix.TemporaryUnavailable())
            else:
                info = IceFlix.MediaInfo(tile.title.name, list(tile.title.tags))
                answer.set_result(IceFlix.Media(media_id, tile.provider, info))

        self._catalogue.tile(media_id, found)
        return answer  # type: ignore[return-value]  # Ice takes the future for the answer

    @operation()
    def getTilesByName(
        self, name: str, exact: bool, _current: Ice.Current | None = None
    ) -> list[str]:
        """Return the ids of the titles with this name, or with this in their name."""
        return self._catalogue.by_name(name, exact=exact)

    @operation()
    def getTilesByTags(
        self, tags: list[str], include_all: bool, _current: Ice.Current | None = None
    ) -> list[str]:
        """Return the ids of the titles with all of these tags, or with any of them."""
        return self._catalogue.by_tags(tags, every=include_all)

    @operation(NotAuthorized, UnknownMedia)
    def renameTile(
        self, media_id: str, name: str, authentication: str, _current: Ice.Current | None = None
    ) -> None:
        """Give a title another name."""
        self._catalogue.rename(media_id, name, authentication)

    @operation(NotAuthorized, UnknownMedia)
    def addTags(
        self,
        media_id: str,
        tags: list[str],
        authentication: str,
        _current: Ice.Current | None = None,
    ) -> None:
        """Add tags to a title."""
        self._catalogue.add_tags(media_id, tags, authentication)

    @operation(NotAuthorized, UnknownMedia)
    def removeTags(
        self,
        media_id: str,
        tags: list[str],
        authentication: str,
        _current: Ice.Current | None = None,
    ) -> None:
        """Remove tags from a title."""
        self._catalogue.remove_tags(media_id, tags, authentication)


class StreamAnnouncesServant(IceFlix.StreamAnnounces):
    """Hears MediaAnnouncements."""

    # pylint: disable=invalid-name,too-few-public-methods  # the Slice contract fixes them

    def __init__(self, offer: Callable[[str, str, str], None]) -> None:
        self._offer = offer

    @event
    def newMedia(
        self,
        media_id: str,
        initial_name: str,
        provider_id: str,
        _current: Ice.Current | None = None,
    ) -> None:
        """Hear that a provider has a medium."""
        self._offer(media_id, initial_name, provider_id)
