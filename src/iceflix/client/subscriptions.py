"""The topics that the client listens to, for as long as IceStorm lets it.

IceStorm forgets subscribers that it fails to reach and everything when it is wiped, so every
subscription is renewed now and then. Nothing depends on an event: the session has its own clock.
"""

import asyncio
import contextlib
import functools
import logging

from iceflix.client.wire import Wire
from iceflix.contract import Ice, IceStorm

_RENEW_SECONDS = 5.0
_RETRY_SECONDS = 1.0
_QOS = {"retryCount": "10"}
_log = logging.getLogger(__name__)


class Subscriptions:
    """Subscriptions at one topic manager, called back on one address of ours."""

    def __init__(self, wire: Wire, manager: str, our_address: str) -> None:
        self._wire = wire
        self._manager = IceStorm.TopicManagerPrx.uncheckedCast(wire.proxy(manager))
        self._adapter = _open_adapter(wire, our_address)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._proxies: dict[str, Ice.ObjectPrx] = {}

    def subscribe(self, topic: str, servant: Ice.Object, *, create: bool) -> None:
        """Stay subscribed until ``unsubscribe``. ``create``: make the topic when it is missing."""
        if topic not in self._tasks:
            self._proxies[topic] = self._adapter.addWithUUID(servant).ice_oneway()
            task = asyncio.get_running_loop().create_task(self._keep(topic, create))
            self._tasks[topic] = task

    async def unsubscribe(self, topic: str) -> None:
        """Listen no more; waits no longer than one call."""
        task = self._tasks.pop(topic, None)
        if task is None:
            return
        task.cancel()
        subscriber = self._proxies.pop(topic)
        self._adapter.remove(subscriber.ice_getIdentity())
        with contextlib.suppress(Ice.Exception):
            found = await self._topic(topic, create=False)
            await self._wire.call(lambda: found.unsubscribeAsync(subscriber))

    async def close(self) -> None:
        """Unsubscribe from everything and listen no more."""
        await asyncio.gather(*(self.unsubscribe(topic) for topic in list(self._tasks)))
        # Waits for calls in progress, so not on the event loop that they may be waiting for.
        await asyncio.get_running_loop().run_in_executor(None, self._adapter.destroy)

    async def _topic(self, name: str, *, create: bool) -> IceStorm.TopicPrx:
        try:
            found = await self._wire.call(lambda: self._manager.retrieveAsync(name))
        except IceStorm.NoSuchTopic:
            if not create:
                raise
            found = await self._wire.call(lambda: self._manager.createAsync(name))
        return self._wire.bounded(found)

    async def _keep(self, name: str, create: bool) -> None:
        subscriber = self._proxies[name]
        while True:
            try:
                topic = await self._topic(name, create=create)
                subscribe = functools.partial(topic.subscribeAndGetPublisherAsync, _QOS, subscriber)
                with contextlib.suppress(IceStorm.AlreadySubscribed):
                    await self._wire.call(subscribe)
                pause = _RENEW_SECONDS
            except Ice.Exception as error:
                _log.debug("not subscribed to %s: %s", name, type(error).__name__)
                pause = _RETRY_SECONDS
            await asyncio.sleep(pause)


def _open_adapter(wire: Wire, address: str) -> Ice.ObjectAdapter:
    """Listen on the address by which we reached the server, and on no other."""
    communicator = wire.communicator
    if communicator.getProperties().getProperty("Client.Endpoints"):
        adapter = communicator.createObjectAdapter("Client")
    else:
        endpoints = f'default -h "{address}"'
        adapter = communicator.createObjectAdapterWithEndpoints("", endpoints)
    adapter.activate()
    return adapter
