"""Errors at the boundary: declared ones translated, everything else an incident."""

import pytest

from iceflix.contract import Ice, IceFlix
from iceflix.runtime.boundary import caller_address, event, operation, refuse_after, refuse_now
from iceflix.runtime.errors import InvalidRequest, NotAuthorized, NotAvailable, UnknownMedia
from iceflix.runtime.request import CORRELATION, REQUEST, add_request


class Servant:
    """Raises what it is told to."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error

    @operation(NotAuthorized, UnknownMedia)
    def call(self, _current: Ice.Current | None = None) -> str:
        """Raise or answer."""
        if self.error is not None:
            raise self.error
        return "fine"

    @event
    def heard(self, _current: Ice.Current | None = None) -> None:
        """Raise in an event handler."""
        if self.error is not None:
            raise self.error


def test_an_answer_passes() -> None:
    """An answer passes."""
    assert Servant(None).call() == "fine"


def test_declared_errors_become_slice_exceptions() -> None:
    """Declared errors become slice exceptions."""
    with pytest.raises(IceFlix.Unauthorized):
        Servant(NotAuthorized("no")).call()
    with pytest.raises(IceFlix.WrongMediaId) as caught:
        Servant(UnknownMedia("abc")).call()
    assert caught.value.id == "abc"


def test_an_undeclared_error_is_an_incident_without_traceback() -> None:
    """An undeclared error is an incident without traceback."""
    for error in (NotAvailable("gone"), KeyError("secret"), ZeroDivisionError()):
        with pytest.raises(Ice.UnknownException) as caught:
            Servant(error).call()
        assert caught.value.unknown.startswith("internal error, incident ")
        assert "secret" not in caught.value.unknown
        assert "Traceback" not in caught.value.unknown


def test_a_senseless_request_gets_its_sentence() -> None:
    """A senseless request gets its sentence."""
    with pytest.raises(Ice.UnknownException) as caught:
        Servant(InvalidRequest("port 80 is reserved")).call()
    assert caught.value.unknown == "port 80 is reserved"


def test_a_servant_that_has_gone_is_said_to_be_gone() -> None:
    """A servant that has gone is said to be gone."""
    with pytest.raises(Ice.ObjectNotExistException):
        Servant(Ice.ObjectNotExistException()).call()


def test_events_never_raise() -> None:
    """Events never raise."""
    Servant(RuntimeError("boom")).heard()


def test_a_delayed_refusal_holds_nobody() -> None:
    """A delayed refusal holds nobody."""
    future = refuse_after(0.01, NotAuthorized("later"))
    assert isinstance(future.exception(5), IceFlix.Unauthorized)


def test_refusals_do_not_delay_the_end() -> None:
    """At the end of the process they are given at once."""
    future = refuse_after(3600, NotAuthorized("later"))
    refuse_now()
    assert isinstance(future.exception(0), IceFlix.Unauthorized)


def test_a_call_without_connection_has_no_address() -> None:
    """A call without connection has no address."""
    with pytest.raises(InvalidRequest):
        caller_address(None)


class Called:  # pylint: disable=too-few-public-methods
    """What Ice gives a servant, as far as it matters here."""

    def __init__(self, correlation: str) -> None:
        self.ctx = {CORRELATION: correlation}


class Telling:  # pylint: disable=too-few-public-methods
    """Tells which request it is answering."""

    @operation()
    def call(self, _current: object = None) -> tuple[str, str]:
        """Tell the operation and the correlation id."""
        request = REQUEST.get()
        assert request is not None
        return request.operation, request.correlation


def test_a_request_keeps_the_callers_id() -> None:
    """The correlation id goes through, unless it is something else."""
    assert Telling().call(Called("abc123")) == ("call", "abc123")
    for unusable in ("", "x" * 33, "new\nline", "a b"):
        name, correlation = Telling().call(Called(unusable))
        assert name == "call"
        assert len(correlation) == 8
    assert REQUEST.get() is None


def test_a_line_of_the_log_says_of_which_request_it_is() -> None:
    """The one that is being answered, unless it is about another one."""

    class Logging:  # pylint: disable=too-few-public-methods
        """Writes lines."""

        @operation()
        def call(self, line: dict[str, str], _current: object = None) -> str:
            """Return the correlation id of a line."""
            return str(add_request(None, "", line)["correlation"])

    current = Called("abc123")
    assert Logging().call({}, current) == "abc123"
    assert Logging().call({"correlation": "another"}, current) == "another"
    assert not add_request(None, "", {})
