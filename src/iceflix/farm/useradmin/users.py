"""What the user administrator does: check addresses, pass changes on to an Authenticator (F18)."""

from collections.abc import Callable
from typing import TypeVar

from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import INVALID_REQUEST, NO_SERVERS, TOO_LATE
from iceflix.farm.clock.chain import REGISTRY
from iceflix.runtime.channels import AUTHENTICATOR
from iceflix.runtime.directory import Directory
from iceflix.runtime.errors import Denial
from iceflix.runtime.log import get_logger
from iceflix.runtime.mailaddress import is_mail_address

T = TypeVar("T")
_MILLIS = 5000
_log = get_logger(__name__)


class Users:
    """Reaches the registries of the Authenticators. ``key`` is the administration key."""

    def __init__(self, directory: Directory, key: str) -> None:
        self._directory = directory
        self._key = key

    def add(self, user: str, password_hash: str, replace: bool = False) -> None:
        """Add a user, a new one unless ``replace``.

        Raises Denial; nothing is sent for what is no e-mail address (F19).
        """
        if not is_mail_address(user):
            raise Denial(
                INVALID_REQUEST, f"{user[:80]!r} is no e-mail address like ana@example.org"
            )
        if replace:
            self._ask(lambda registry: registry.putUser(self._key, user, password_hash))
        else:
            self._ask(lambda registry: registry.addUser(self._key, user, password_hash))

    def remove(self, user: str) -> None:
        """Remove a user. Raises Denial."""
        self._ask(lambda registry: registry.removeUser(self._key, user))

    def users(self) -> list[str]:
        """The users. Raises Denial."""
        return self._ask(lambda registry: registry.users(self._key))

    def introduce(self, clock: Ice.ObjectPrx) -> None:
        """Have every Authenticator follow this clock (F21). Never raises; takes no answer."""
        reference = IceFlix.TimeReferencePrx.uncheckedCast(clock)
        for known in self._directory.all(AUTHENTICATOR):
            try:
                future = _registry(known.proxy).followAsync(self._key, reference)
            except Ice.LocalException as error:
                _log.debug("introduction failed", id=known.id, error=type(error).__name__)
                continue
            future.add_done_callback(_introduced)

    def _ask(self, call: Callable[[IceFlix.UserRegistryPrx], T]) -> T:
        """Ask the first Authenticator that answers and has a registry; all share one file."""
        for known in self._directory.all(AUTHENTICATOR):
            if not self._directory.live(known):
                continue
            try:
                return call(_registry(known.proxy))
            except IceFlix.Denied as error:
                raise Denial(error.reason, error.detail) from error
            except (Ice.FacetNotExistException, Ice.ConnectFailedException):
                continue  # nothing was done: another one may
            except Ice.LocalException as error:
                raise Denial(
                    TOO_LATE,
                    "the Authenticator was lost in the middle of it; look with `iceflix users list "
                    "--via admin` whether it was done",
                ) from error
        raise Denial(NO_SERVERS, "no Authenticator that keeps a registry answers; start one")


def _registry(authenticator: IceFlix.AuthenticatorPrx) -> IceFlix.UserRegistryPrx:
    facet = authenticator.ice_facet(REGISTRY).ice_invocationTimeout(_MILLIS)
    return IceFlix.UserRegistryPrx.uncheckedCast(facet)


def _introduced(future: "Ice.Future[None]") -> None:
    error = future.exception()
    if isinstance(error, IceFlix.Denied):
        _log.warning("an Authenticator does not know our key", detail=error.detail)
