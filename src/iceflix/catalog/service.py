"""MediaCatalog as a microservice: how it is put together."""

from pathlib import Path

from iceflix.catalog.catalogue import Catalogue, Surroundings
from iceflix.catalog.database import Database, StoreError
from iceflix.catalog.intake import Intake
from iceflix.catalog.opening import is_server, open_database
from iceflix.catalog.providers import Locator, Reminder
from iceflix.catalog.schema import HEAD
from iceflix.catalog.servant import MediaCatalogServant, StreamAnnouncesServant
from iceflix.catalog.store import Store
from iceflix.contract.topics import MEDIA_ANNOUNCEMENTS
from iceflix.runtime.authority import Authority
from iceflix.runtime.channels import CATALOG, PROVIDER
from iceflix.runtime.errors import SetupError
from iceflix.runtime.host import Host
from iceflix.runtime.settings import Settings

KIND = "catalog"
_NO_BOUND_KILOBYTES = 2_000_000  # no message of Ice can be larger


def build(host: Host) -> None:
    """Open the database, publish the catalogue and listen to announcements. Raises SetupError."""
    settings = host.settings
    database = _open(settings)
    kilobytes = settings.integer("Catalog.AnswerKilobytes") or _NO_BOUND_KILOBYTES
    store = Store(database, kilobytes * 1024)
    locator = Locator(host.directory, host.communicator, settings.seconds("Call.TimeoutSeconds"))
    authorize = Authority(host.directory).check
    catalogue = Catalogue(store, Surroundings(authorize, locator.live, locator.reachable))
    reminder = Reminder(host.directory, host.scheduler, catalogue.knows)
    intake = Intake(catalogue.register, reminder.remind_all)

    def details() -> dict[str, str]:
        about = {"database": database.place, "schema": HEAD}
        try:
            counts = store.counts()
        except StoreError as error:
            return {**about, "error": str(error)}
        about["titles"] = str(counts.titles)
        about["tags"] = str(counts.tags)
        about["available"] = str(catalogue.available())
        return about

    def stop() -> None:
        catalogue.stop()
        intake.stop()
        database.close()

    host.on_stop(stop)
    host.details(details)
    intake.start()
    host.announce(CATALOG, host.publish(MediaCatalogServant(catalogue)))
    host.topics.subscribe(MEDIA_ANNOUNCEMENTS, StreamAnnouncesServant(intake.offer))
    host.topics.on_reconnected(reminder.remind_all)
    host.directory.on_added(PROVIDER, reminder.greet)


def _open(settings: Settings) -> Database:
    try:
        place: Path | str = settings.text("Catalog.File")
        if not is_server(str(place)):
            place = settings.path("Catalog.File")
            if place.parent == settings.home:
                settings.home.mkdir(parents=True, exist_ok=True)
        database = open_database(place)
    except (SetupError, OSError) as error:
        raise SetupError(f"Catalog.File: {error}") from error
    try:
        database.prepare()
    except (SetupError, StoreError, OSError) as error:
        database.close()
        raise SetupError(f"Catalog.File: {error}") from error
    return database
