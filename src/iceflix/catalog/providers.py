"""Providers as the catalogue deals with them: finding the live ones, asking for announcements."""

from collections.abc import Callable

from iceflix.contract import Ice, IceFlix
from iceflix.runtime.calls import Known
from iceflix.runtime.channels import PROVIDER
from iceflix.runtime.directory import Directory
from iceflix.runtime.log import get_logger
from iceflix.runtime.scheduler import Scheduler

_ANSWER_SECONDS = 10.0  # a provider may publish its whole library before it answers
_REMINDERS = 3
_FIRST_REMINDER_SECONDS = 2.0
_log = get_logger(__name__)
_KnownProvider = Known[IceFlix.StreamProviderPrx]


def is_proxy(provider: str) -> bool:
    """Whether a provider's name in an announcement looks like a stringified proxy (V26)."""
    return ":" in provider or "@" in provider


class Locator:
    """From what a provider called itself to its proxy, if it answers now."""

    def __init__(
        self, directory: Directory, communicator: Ice.Communicator, timeout_seconds: float
    ) -> None:
        self._directory = directory
        self._communicator = communicator
        self._timeout_millis = int(timeout_seconds * 1000)

    def live(self, provider: str) -> IceFlix.StreamProviderPrx | None:
        """Its proxy, or None when it is unknown, dead or something else. Takes one deadline."""
        known = self._directory.find(PROVIDER, provider)
        if known is not None:
            return known.proxy if self._directory.live(known) else None
        return self._proxy(provider) if is_proxy(provider) else None

    def reachable(self, provider: str) -> bool:
        """Whether it is worth trying; asks nobody."""
        return is_proxy(provider) or self._directory.find(PROVIDER, provider) is not None

    def _proxy(self, provider: str) -> IceFlix.StreamProviderPrx | None:
        try:
            base = self._communicator.stringToProxy(provider)
            if base is None:
                return None
            bounded = base.ice_twoway().ice_invocationTimeout(self._timeout_millis)
            if not bounded.ice_isA(PROVIDER.type_id):
                return None
        except Ice.LocalException as error:
            _log.info("provider does not answer", provider=provider, error=type(error).__name__)
            return None
        return IceFlix.StreamProviderPrx.uncheckedCast(bounded)


class Reminder:
    """Asks providers to announce what they have (V28).

    Announcements are events, and events get lost: a provider of which nothing is heard after it
    was asked is asked again, a few times.
    """

    def __init__(
        self, directory: Directory, scheduler: Scheduler, knows: Callable[[str], bool]
    ) -> None:
        self._directory = directory
        self._scheduler = scheduler
        self._knows = knows

    def greet(self, known: _KnownProvider) -> None:
        """A provider was found."""
        self._ask(known, _REMINDERS)

    def remind_all(self) -> None:
        """Events were lost: ask every provider."""
        for known in self._directory.all(PROVIDER):
            self._ask(known, _REMINDERS)

    def _ask(self, known: _KnownProvider, reminders: int) -> None:
        def answered(future: "Ice.Future[None]") -> None:
            error = future.exception()
            if error is not None:
                _log.info("provider not asked", id=known.id, error=type(error).__name__)

        proxy = known.proxy.ice_invocationTimeout(int(_ANSWER_SECONDS * 1000))
        try:
            proxy.reannounceMediaAsync().add_done_callback(answered)
        except Ice.LocalException as error:
            _log.info("provider not asked", id=known.id, error=type(error).__name__)
        if reminders:
            pause = _FIRST_REMINDER_SECONDS * 2 ** (_REMINDERS - reminders)
            self._scheduler.after(pause, lambda: self._remind(known.id, reminders - 1))

    def _remind(self, provider: str, reminders: int) -> None:
        known = self._directory.find(PROVIDER, provider)
        if known is not None and not self._knows(provider):
            self._ask(known, reminders)
