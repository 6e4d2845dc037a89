"""Asking the services of a run how they are, without ever waiting long for one."""

import asyncio
import re

import psutil

from iceflix.contract import Ice, IceFlix
from iceflix.ops.facts import Facts

ANSWER_MILLIS = 1000
_NOISE = re.compile(r" -e 1\.1| -t(?= :|:| -|$)| -t \d+")


async def answers(proxy: Ice.ObjectPrx) -> bool:
    """Whether an object answers within a second."""
    try:
        await Ice.wrap_future(proxy.ice_invocationTimeout(ANSWER_MILLIS).ice_pingAsync())
    except Ice.LocalException:
        return False
    return True


async def hands_out(main: Ice.ObjectPrx) -> bool:
    """Whether clients can come: Main gives them an Authenticator and a catalogue."""
    asked = IceFlix.MainPrx.uncheckedCast(main.ice_invocationTimeout(ANSWER_MILLIS))
    try:
        await asyncio.gather(
            Ice.wrap_future(asked.getAuthenticatorAsync()),
            Ice.wrap_future(asked.getCatalogServiceAsync()),
        )
    except (Ice.LocalException, Ice.UserException):
        return False
    return True


def short(proxy: str) -> str:
    """A proxy's text without what says the default anyway: twoway, encoding, time-out."""
    return _NOISE.sub("", proxy)


def endpoint(facts: Facts) -> str:
    """The endpoints in a service's proxy."""
    return short(facts.proxy).partition(":")[2]


def listening(pids: list[int]) -> set[str]:
    """The addresses at which these processes accept connections, as the system sees them."""
    found = set()
    for pid in pids:
        try:
            for connection in psutil.Process(pid).net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    found.add(connection.laddr[0])
        except psutil.Error:
            continue
    return found
