"""The Slice face of the Authenticator."""

from iceflix.auth.authenticator import Authenticator, LoginRefused
from iceflix.contract import Ice, IceFlix
from iceflix.runtime.boundary import caller_address, operation, refuse_after
from iceflix.runtime.errors import NotAuthorized


class AuthenticatorServant(IceFlix.Authenticator):
    """Translates between the wire and the Authenticator."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    @operation(NotAuthorized)
    def refreshAuthorization(
        self, user: str, password_hash: str, current: Ice.Current | None = None
    ) -> str:
        """Sign in (V14); some refusals are sent later, while no thread waits."""
        address = caller_address(current) if current is not None and current.con else "here"
        try:
            return self._authenticator.login(user, password_hash, address)
        except LoginRefused as refusal:
            if not refusal.delay_seconds:
                raise NotAuthorized(str(refusal)) from None
            # Ice takes the future of an answer for the answer.
            later: str = refuse_after(refusal.delay_seconds, NotAuthorized(str(refusal)))
            return later

    @operation()
    def isAuthorized(self, authentication: str, _current: Ice.Current | None = None) -> bool:
        """Say whether a token is valid now (V16)."""
        return self._authenticator.is_authorized(authentication)
