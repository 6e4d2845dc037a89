"""Whether a token is good, as the Authenticators see it."""

from iceflix.runtime.channels import AUTHENTICATOR
from iceflix.runtime.directory import Directory
from iceflix.runtime.errors import NotAuthorized, NotAvailable

_TOKEN_LENGTH = 4096  # no honest token is longer; nobody shall be asked about megabytes


class Authority:
    """Asks every known Authenticator until one vouches for the token; fails closed (V09, V20)."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def check(self, token: str) -> None:
        """Raise NotAuthorized unless some live Authenticator says that the token is valid."""
        if not self.vouched(token):
            raise NotAuthorized("this token is not valid now")

    def vouched(self, token: str) -> bool:
        """Whether some live Authenticator says that the token is valid now."""
        if not token or len(token) > _TOKEN_LENGTH:
            return False
        try:
            return self._directory.ask(
                AUTHENTICATOR,
                lambda proxy: proxy.isAuthorizedAsync(token),
                accept=bool,
            )
        except NotAvailable:
            return False
