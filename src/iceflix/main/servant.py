"""The Slice face of Main."""

from iceflix.contract import Ice, IceFlix
from iceflix.runtime.boundary import operation
from iceflix.runtime.channels import AUTHENTICATOR, CATALOG
from iceflix.runtime.directory import Directory
from iceflix.runtime.errors import NotAvailable


class MainServant(IceFlix.Main):
    """Hands out services that answer, each kind in turn (V06, V53)."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    @operation(NotAvailable)
    def getAuthenticator(
        self, _current: Ice.Current | None = None
    ) -> IceFlix.AuthenticatorPrx | None:
        """Return a live Authenticator."""
        return self._directory.choose(AUTHENTICATOR)

    @operation(NotAvailable)
    def getCatalogService(
        self, _current: Ice.Current | None = None
    ) -> IceFlix.MediaCatalogPrx | None:
        """Return a live MediaCatalog."""
        return self._directory.choose(CATALOG)
