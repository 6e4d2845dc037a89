"""The Slice face of central."""

from iceflix.contract import Ice, IceFlix
from iceflix.farm.central.central import Central
from iceflix.farm.central.word import SIGNATURE, Word
from iceflix.runtime.boundary import operation
from iceflix.runtime.errors import Denial


class CentralServant(IceFlix.Central):
    """Translates between the wire and central."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, central: Central, word: Word) -> None:
        self._central = central
        self._word = word

    @operation(Denial)
    def process(self, job: IceFlix.Job, _current: Ice.Current | None = None) -> IceFlix.JobResult:
        """Answer when the job has ended; no thread waits (F23)."""
        # Ice takes the future of an answer for the answer.
        later: IceFlix.JobResult = self._central.process(job)  # type: ignore[assignment]
        return later

    @operation()
    def setRunning(self, filters: list[str], current: Ice.Current | None = None) -> None:
        """Hear from the filter administrator (F28); whether it is he will be seen."""
        context = current.ctx if current is not None else {}
        self._word.said(filters, context.get(SIGNATURE, ""))

    @operation()
    def running(self, _current: Ice.Current | None = None) -> list[str]:
        """Tell which filters run."""
        return self._central.running()
