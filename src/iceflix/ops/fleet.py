"""The processes of a run: started, started again when they crash, stopped in order."""

import asyncio
import math
import re
import signal
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iceflix.ops.children import Child
from iceflix.ops.console import Console, Row
from iceflix.ops.restart import GiveUp, Lifeline, State
from iceflix.runtime.errors import SetupError

SERVICE_STOP_SECONDS = 3.5
BROKER_STOP_SECONDS = 1.0
_START_SECONDS = 30.0
_SILENT_AFTER = 3  # answers missed one after the other
_NO_SUCH_PROGRAM = (126, 127)
_COMPLAINT = re.compile(r"iceflix [a-z]+: ")


@dataclass(frozen=True)
class Recipe:
    """How to start a service. ``mend`` may repair what made a start fail.

    ``command`` gives the arguments and the folder to start it in; both may raise SetupError.
    ``mend`` gets the exit code and the last words, and returns a sentence about what it did.
    ``heard`` gets every line that it writes; services keep logs of their own.
    ``optional``: the run goes on without it when it cannot start.
    """

    name: str
    command: Callable[[], tuple[tuple[str, ...], Path | None]]
    mend: Callable[[int, str], str | None] = lambda _code, _words: None
    heard: Callable[[str], None] = lambda _line: None
    optional: bool = False


class Service:
    """A supervised service: its process, its record, what is known of it."""

    def __init__(self, recipe: Recipe, console: Console) -> None:
        def said(line: str) -> None:
            console.heard(recipe.name, line)
            recipe.heard(line)

        self.recipe = recipe
        self.life = Lifeline()
        self.child = Child(said)
        self.identifier = ""
        self.endpoint = ""
        self.restart_at: float | None = None
        self._missed = 0

    @property
    def name(self) -> str:
        """Its name, as in ``iceflix serve``."""
        return self.recipe.name

    def start(self) -> None:
        """Start its process. Raises SetupError, OSError."""
        command, folder = self.recipe.command()
        self.identifier = self.endpoint = ""
        self.restart_at = None
        self._missed = 0
        self.child.start(command, folder)
        self.life.started(time.monotonic())

    @property
    def late(self) -> bool:
        """Whether it should have started long ago."""
        return self.life.starting_for(time.monotonic()) > _START_SECONDS

    def heard(self, *, answers: bool) -> bool:
        """It was asked; returns whether its state changed. One missed answer is no silence."""
        self._missed = 0 if answers else self._missed + 1
        if answers or self._missed >= _SILENT_AFTER:
            return self.life.heard(answers=answers)
        return False

    def row(self) -> Row:
        """How it stands, for the table."""
        note = ""
        if self.life.state is State.WAITING and self.restart_at is not None:
            note = f"restart in {max(0, math.ceil(self.restart_at - time.monotonic()))} s"
        return Row(self.name, self.life.state, note, self.identifier, self.child.pid, self.endpoint)

    def complaint(self) -> str:
        """What it said when it refused to start."""
        lines = list(self.child.last_lines)
        own = [line for line in lines if _COMPLAINT.match(line)]
        last = (own or lines or [f"{self.name} did not start and did not say why"])[-1]
        return last.removeprefix("iceflix ")


class Fleet:
    """All services of a run. ``failure`` is the error that ended it, if one did."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.services: dict[str, Service] = {}
        self.stopping = asyncio.Event()
        self.failure: SetupError | None = None
        self._keepers: list[asyncio.Task[None]] = []

    def launch(self, recipe: Recipe) -> Service:
        """Start a service and keep it running. Raises SetupError, OSError."""
        service = Service(recipe, self.console)
        self.services[recipe.name] = service
        service.start()
        keeper = asyncio.create_task(self._keep(service))
        keeper.add_done_callback(lambda _ended: self.stopping.set())
        self._keepers.append(keeper)
        return service

    def fail(self, error: SetupError) -> None:
        """End the run because of this."""
        self.failure = self.failure or error
        self.stopping.set()

    async def pause(self, seconds: float) -> bool:
        """Wait so long, or until the run ends; returns whether it goes on."""
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return True
        return False

    async def until_stopped(self, meanwhile: Coroutine[Any, Any, None]) -> None:
        """Do something until the run ends; raises what it, or a keeper, fails with."""
        task = asyncio.create_task(meanwhile)
        end = asyncio.create_task(self.stopping.wait())
        await asyncio.wait({task, end, *self._keepers}, return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        task.cancel()
        for one in (task, *self._keepers):
            if one.done():
                one.result()

    async def stop(self, last: str) -> None:
        """End all processes within 5 s: first the services, then ``last``, which serves them."""
        self.stopping.set()
        others = [service for service in self.services.values() if service.name != last]
        await self._end(others, SERVICE_STOP_SECONDS)
        await self._end((s for s in self.services.values() if s.name == last), BROKER_STOP_SECONDS)
        await asyncio.gather(*self._keepers)

    def kill(self) -> None:
        """End all processes at once."""
        for service in self.services.values():
            service.child.signal(signal.SIGKILL)

    async def _end(self, services: Iterable[Service], seconds: float) -> None:
        running = [service for service in services if service.child.pid is not None]
        for service in running:
            service.child.signal(signal.SIGTERM)
        ends = [asyncio.ensure_future(service.child.ended()) for service in running]
        if not ends:
            return
        _done, late = await asyncio.wait(ends, timeout=seconds)
        if late:
            for service in running:
                service.child.signal(signal.SIGKILL)
            await asyncio.wait(late)

    async def _keep(self, service: Service) -> None:
        """Start a service again whenever it ends, until the run does."""
        while True:
            code = await service.child.ended()
            if self.stopping.is_set():
                service.life.stopped()
                return
            try:
                self._report(service, code)
            except SetupError as error:
                if service.recipe.optional:
                    await self._without(service, error)
                else:
                    self.fail(error)
                return
            if not await self._revive(service):
                return

    async def _without(self, service: Service, error: SetupError) -> None:
        """Go on without it."""
        service.life.stopped()
        self.console.say(f"{service.name}: left out, the rest goes on: {error}")
        await self.stopping.wait()

    def _report(self, service: Service, code: int) -> None:
        """Say that it ended and what will be done. Raises SetupError when nothing can be."""
        mended = service.recipe.mend(code, "\n".join(service.child.last_lines))
        decision = service.life.ended(code, time.monotonic())
        if isinstance(decision, GiveUp) or code in _NO_SUCH_PROGRAM:
            raise SetupError(service.complaint())
        service.restart_at = time.monotonic() + decision.seconds
        again = f"starting it again in {decision.seconds:g} s"
        self.console.say(f"{service.name}: {_ending(code)}; {mended or again}")

    async def _revive(self, service: Service) -> bool:
        """Wait for its turn and start it; returns whether it runs."""
        while True:
            assert service.restart_at is not None
            if not await self.pause(max(0.0, service.restart_at - time.monotonic())):
                service.life.stopped()
                return False
            try:
                service.start()
            except (SetupError, OSError) as error:
                # The port may be free in a moment; it was ours.
                self.console.say(f"{service.name}: {error}")
                decision = service.life.ended(1, time.monotonic())
                assert not isinstance(decision, GiveUp)
                service.restart_at = time.monotonic() + decision.seconds
                continue
            return True


def _ending(code: int) -> str:
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with code {code}"
