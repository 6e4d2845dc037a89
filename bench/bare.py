"""The floor: a servant that answers what it is told to, and nothing around it.

A process of its own, started by ``calls.py``; prints its proxies, a JSON object on a line.
"""

# pylint: disable=invalid-name,unused-argument  # the Slice contract fixes names and parameters

import json
import sys

from iceflix.contract import Ice, IceFlix

TITLE = "Metropolis"
TAGS = ["silent", "city", "1927"]


class Authenticator(IceFlix.Authenticator):
    """Believes everything."""

    def refreshAuthorization(
        self, user: str, password_hash: str, current: Ice.Current | None = None
    ) -> str:
        """Give something like a token."""
        return "t" * 200

    def isAuthorized(self, authentication: str, current: Ice.Current | None = None) -> bool:
        """Say yes."""
        return True


class Catalog(IceFlix.MediaCatalog):
    """Has one title."""

    # pylint: disable=too-few-public-methods  # nobody calls the others

    def __init__(self, provider: IceFlix.StreamProviderPrx) -> None:
        self._provider = provider

    def getTile(self, media_id: str, current: Ice.Current | None = None) -> IceFlix.Media:
        """Return it."""
        return IceFlix.Media(media_id, self._provider, IceFlix.MediaInfo(TITLE, TAGS))


def main() -> int:
    """Answer until standard input ends."""
    with Ice.initialize(["--Ice.ThreadPool.Server.Size=4"]) as ice:
        adapter = ice.createObjectAdapterWithEndpoints("bare", "tcp -h 127.0.0.1")
        provider = ice.stringToProxy(sys.argv[1])
        assert provider is not None
        catalog = Catalog(IceFlix.StreamProviderPrx.uncheckedCast(provider))
        proxies = {
            "authenticator": str(adapter.addWithUUID(Authenticator())),
            "catalog": str(adapter.addWithUUID(catalog)),
        }
        adapter.activate()
        print(json.dumps(proxies), flush=True)
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
