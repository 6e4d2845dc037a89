"""The one door to omniORB: CORBA's side of the gateway, and a client of it.

The stubs are made from filtrado.idl when they are first needed (30 ms), by the compiler that comes
with the library: no generated code is kept that could differ from the contract. omniORB keeps one
ORB per process; its options are given when it is made.
"""

# pylint: disable=protected-access  # the names of CORBA's own operations begin with "_"

import contextlib
import functools
import gc
import importlib
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from iceflix.contract import SLICE_FOLDER
from iceflix.contract.reasons import NO_SERVERS, TOO_LATE
from iceflix.farm.gateway.desk import Desk, Request
from iceflix.runtime.errors import Denial, ServiceError, SetupError
from iceflix.runtime.log import get_logger

NAME = ("IceFlix", "Proxy")  # in CosNaming
IDL = SLICE_FOLDER / "filtrado.idl"
_NAMING_MILLIS = 1000
_CONNECTIONS = 16  # of a client
_SPARE_SECONDS = 2.0  # the desk answers within its deadline; this is for when it cannot
_log = get_logger(__name__)


class NamingFailed(ServiceError):
    """The naming service does not answer, or does not know us."""


@dataclass(frozen=True)
class _Modules:
    """What omniORB is made of. Untyped: the library has no stubs for mypy."""

    corba: Any
    naming: Any
    orb: Any
    contract: Any
    skeletons: Any


@functools.cache
def _modules() -> _Modules:
    """Load omniORB and the contract's stubs. Raises SetupError."""
    try:
        library = importlib.import_module("omniORB")
        compiler = importlib.import_module("omniidl.main")
    except ImportError as error:
        raise SetupError(
            "CORBA needs the package salome-omniorb; scripts/setup installs it"
        ) from error
    with tempfile.TemporaryDirectory(prefix="iceflix-idl-") as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it leaves closing to the collector
            compiler.main(["omniidl", "-N", "-bpython", f"-C{folder}", str(IDL)])
            gc.collect()
        sys.path.insert(0, folder)
        try:
            importlib.invalidate_caches()
            contract = importlib.import_module("Filtros")
            skeletons = importlib.import_module("Filtros__POA")
        finally:
            sys.path.remove(folder)
    naming = importlib.import_module("CosNaming")
    return _Modules(library.CORBA, naming, library, contract, skeletons)


@dataclass(frozen=True)
class Address:
    """Where something listens. An empty host: every interface."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, what: str) -> "Address":
        """Read ``host:port``. Raises SetupError naming ``what`` it is for."""
        host, colon, port = text.rpartition(":")
        if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise SetupError(f"{what} must be host:port, like 127.0.0.1:2809, not {text!r}")
        return cls(host.strip("[]"), int(port))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def _start(options: Sequence[str]) -> Any:
    arguments = ["iceflix", "-ORBnativeCharCodeSet", "UTF-8", *options]
    try:
        return _modules().corba.ORB_init(arguments, _modules().corba.ORB_ID)
    except _modules().corba.Exception as error:
        raise SetupError(f"CORBA cannot start: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    return type(error).__name__


def _servant(desk: Desk) -> Any:
    """A servant of Filtros::Proxy; its base class exists only once the stubs are made."""
    modules = _modules()

    def submit(correo: str, clave: str, imagen: str, filtros: list[str]) -> Any:
        future = desk.submit(Request(correo, clave, imagen, filtros))
        return future.result(desk.deadline + _SPARE_SECONDS)

    def get_filtrado(_self: Any, correo: str, clave: str, imagen: str, filtros: list[str]) -> bool:
        try:
            submit(correo, clave, imagen, filtros)
        except Exception as error:  # noqa: BLE001  pylint: disable=broad-exception-caught
            _unexpected(error)
            return False
        return True

    def filtrar(_self: Any, correo: str, clave: str, imagen: str, filtros: list[str]) -> Any:
        try:
            result = submit(correo, clave, imagen, filtros)
        except Denial as denial:
            raise modules.contract.Denegado(denial.reason, str(denial)) from None
        except Exception as error:  # noqa: BLE001  pylint: disable=broad-exception-caught
            _unexpected(error)
            reason = TOO_LATE if isinstance(error, TimeoutError) else NO_SERVERS
            raise modules.contract.Denegado(reason, "something is wrong at the gateway") from None
        return modules.contract.Resultado(result.image, float(result.seconds))

    def get_filtros(_self: Any) -> list[str]:
        try:
            return desk.running()
        except Exception as error:  # noqa: BLE001  pylint: disable=broad-exception-caught
            _unexpected(error)
            return []

    operations = {"getFiltrado": get_filtrado, "filtrar": filtrar, "getFiltros": get_filtros}
    kind: Any = type("ProxyServant", (modules.skeletons.Proxy,), operations)
    return kind()


def _unexpected(error: Exception) -> None:
    if not isinstance(error, Denial):
        _log.error("a CORBA request failed", exc_info=error)


@dataclass(frozen=True)
class Bounds:
    """Largest message; silence, within a message or between two, that closes a connection."""

    message_bytes: int
    idle_seconds: int


class CorbaServer:
    """The gateway in CORBA. Calls come on omniORB's own threads, one per call (F16)."""

    def __init__(self, desk: Desk, endpoint: Address, bounds: Bounds) -> None:
        """Open the port. Raises SetupError."""
        options = ["-ORBendPoint", f"giop:tcp:{endpoint}"]
        options += ["-ORBgiopMaxMsgSize", str(bounds.message_bytes)]
        options += ["-ORBinConScanPeriod", str(bounds.idle_seconds), "-ORBscanGranularity", "1"]
        self._orb = _start(options)
        try:
            poa = self._orb.resolve_initial_references("RootPOA")
            self._servant: Any = _servant(desk)
            poa.activate_object(self._servant)
            self._object = poa.servant_to_reference(self._servant)
            poa._get_the_POAManager().activate()
        except _modules().corba.Exception as error:
            self._orb.destroy()
            raise SetupError(
                f"cannot listen for CORBA at {endpoint}: {_reason(error)}; "
                "set Gateway.CorbaPort to a port that is free, or to 0"
            ) from error

    @property
    def reference(self) -> str:
        """The object's IOR, for whoever has no naming service."""
        return str(self._orb.object_to_string(self._object))

    def bind(self, naming: Address) -> bool:
        """Be IceFlix/Proxy in the naming service unless another live one is; returns whether.

        A stale binding, of one that was killed, is replaced. Raises NamingFailed.
        """
        modules = _modules()

        def work() -> bool:
            context = self._folder(naming)
            leaf = [modules.naming.NameComponent(NAME[1], "")]
            try:
                there = _bounded(context.resolve(leaf))
            except modules.naming.NamingContext.NotFound:
                there = None
            if there is not None:
                if there._is_equivalent(self._object):
                    return True
                if _alive(there):
                    return False
            context.rebind(leaf, self._object)
            _log.info("bound", name="/".join(NAME), naming=str(naming))
            return True

        return bool(_naming_call(naming, work))

    def unbind(self, naming: Address) -> None:
        """Be IceFlix/Proxy no more. Raises NamingFailed."""
        modules = _modules()

        def work() -> None:
            context = self._folder(naming)
            leaf = [modules.naming.NameComponent(NAME[1], "")]
            there = context.resolve(leaf)
            if there._is_equivalent(self._object):
                context.unbind(leaf)

        _naming_call(naming, work)

    def stop(self) -> None:
        """Close the port."""
        self._orb.shutdown(False)
        self._orb.destroy()

    def _folder(self, naming: Address) -> Any:
        modules = _modules()
        root = _root(self._orb, naming)
        folder = [modules.naming.NameComponent(NAME[0], "")]
        try:
            return _bounded(root.bind_new_context(folder))
        except modules.naming.NamingContext.AlreadyBound:
            found = _bounded(root.resolve(folder))
            return _bounded(found._narrow(modules.naming.NamingContext))


def _root(orb: Any, naming: Address) -> Any:
    modules = _modules()
    found = _bounded(orb.string_to_object(f"corbaloc::{naming}/NameService"))
    return _bounded(found._narrow(modules.naming.NamingContext))


def _bounded(proxy: Any, millis: int = _NAMING_MILLIS) -> Any:
    if proxy is not None:
        _modules().orb.setClientCallTimeout(proxy, millis)
    return proxy


def _alive(proxy: Any) -> bool:
    try:
        return not proxy._non_existent()
    except _modules().corba.SystemException:
        return False


def _naming_call(naming: Address, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except (_modules().corba.Exception, AttributeError) as error:
        raise NamingFailed(
            f"the naming service at {naming} does not answer as it should ({_reason(error)})"
        ) from error


class CorbaClient:
    """The operations of Filtros::Proxy for a client of ours."""

    def __init__(self, naming: Address, deadline: float) -> None:
        """Find the gateway through the naming service. Raises NamingFailed."""
        self._orb = _start(["-ORBmaxGIOPConnectionPerServer", str(_CONNECTIONS)])
        modules = _modules()

        def find() -> Any:
            name = [modules.naming.NameComponent(part, "") for part in NAME]
            found = _bounded(_root(self._orb, naming).resolve(name))
            return _bounded(found._narrow(modules.contract.Proxy), int(deadline * 1000))

        self._proxy = _naming_call(naming, find)

    def filter(self, request: Request) -> tuple[str, float]:
        """Return the result's path and seconds. Raises Denial."""
        fields = (request.user, request.password_hash, request.image, list(request.filters))
        result = self._call(lambda: self._proxy.filtrar(*fields))
        return str(result.imagen), float(result.segundos)

    def get_filtered(self, request: Request) -> bool:
        """The specification's getFiltrado. Raises Denial when there is no gateway."""
        fields = (request.user, request.password_hash, request.image, list(request.filters))
        return bool(self._call(lambda: self._proxy.getFiltrado(*fields)))

    def running(self) -> list[str]:
        """The filters that are running now. Raises Denial."""
        return list(self._call(self._proxy.getFiltros))

    def close(self) -> None:
        """End CORBA in this process."""
        self._orb.destroy()

    def _call(self, call: Callable[[], Any]) -> Any:
        modules = _modules()
        try:
            for _ in range(_CONNECTIONS):
                with contextlib.suppress(modules.corba.COMM_FAILURE):
                    return call()
                # The gateway had closed this connection for its silence; the next one may be fresh.
            return call()
        except modules.contract.Denegado as denied:
            raise Denial(denied.motivo, denied.detalle) from denied
        except modules.corba.TIMEOUT as error:
            raise Denial(TOO_LATE, "the gateway did not answer in time") from error
        except modules.corba.Exception as error:
            raise Denial(NO_SERVERS, f"the gateway does not answer ({_reason(error)})") from error
