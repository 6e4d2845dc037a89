"""The one tree of errors. ``str(error)`` is a sentence for a person."""


class ServiceError(Exception):
    """Something a service refuses or cannot do, for a reason that it can name."""


class NotAuthorized(ServiceError):
    """Wrong user, wrong password hash, or a token that is not valid now."""


class UnknownMedia(ServiceError):
    """No medium has this identifier."""

    def __init__(self, media_id: str) -> None:
        super().__init__(f"no medium has the identifier {media_id[:80]!r}")
        self.media_id = media_id


class NotAvailable(ServiceError):
    """It exists, but nothing that could serve it is known right now."""


class InvalidRequest(ServiceError):
    """The request makes no sense; the contract declares no exception that says so."""


class ControlRefusal(ServiceError):
    """A playback cannot be controlled like this: nothing is sent, no such position, no RTSP."""


class Denial(ServiceError):
    """The farm refuses a request: ``reason`` is one of ``contract.reasons`` (F47)."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class SetupError(ServiceError):
    """A process cannot start: wrong property, unusable file, port in use."""
