"""The gateway's Slice face: the operations of filtrado.idl, over Ice."""

from concurrent.futures import Future

from iceflix.contract import Ice, IceFlix
from iceflix.farm.gateway.desk import Desk, Request
from iceflix.farm.model import JobResult
from iceflix.farm.wire import to_slice
from iceflix.runtime.boundary import operation
from iceflix.runtime.errors import Denial


class GatewayServant(IceFlix.Gateway):
    """Translates between the wire and the desk; no thread waits for a result (F16)."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @operation()
    def getFiltrado(
        self,
        user: str,
        password_hash: str,
        image: str,
        filters: list[str],
        _current: Ice.Current | None = None,
    ) -> bool:
        """Say whether every filter was applied and the result exists; a refusal is False."""
        answer: Ice.Future[bool] = Ice.Future()

        def ended(future: "Future[JobResult]") -> None:
            answer.set_result(future.exception() is None)

        self._desk.submit(Request(user, password_hash, image, filters)).add_done_callback(ended)
        return answer  # type: ignore[return-value]  # Ice takes the future for the answer

    @operation(Denial)
    def filter(
        self,
        user: str,
        password_hash: str,
        image: str,
        filters: list[str],
        _current: Ice.Current | None = None,
    ) -> IceFlix.JobResult:
        """Do the same, and give the result or the reason (F47)."""
        answer: Ice.Future[IceFlix.JobResult] = Ice.Future()

        def ended(future: "Future[JobResult]") -> None:
            error = future.exception()
            if error is None:
                answer.set_result(to_slice(future.result()))
            elif isinstance(error, Denial):
                answer.set_exception(IceFlix.Denied(error.reason, str(error)))
            else:
                answer.set_exception(Ice.UnknownException("internal error"))

        self._desk.submit(Request(user, password_hash, image, filters)).add_done_callback(ended)
        return answer  # type: ignore[return-value]  # Ice takes the future for the answer

    @operation()
    def getFilters(self, _current: Ice.Current | None = None) -> list[str]:
        """Tell which filters are running."""
        return self._desk.running()
