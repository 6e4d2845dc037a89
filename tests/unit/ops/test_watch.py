"""Texts of proxies."""

from pathlib import Path

from iceflix.contract import Ice
from iceflix.ops import watch
from iceflix.ops.facts import Facts


def test_a_short_proxy_is_the_same_proxy(ice: Ice.Communicator) -> None:
    """Only what is the default anyway is left out."""
    for text in (
        "IceFlix/Main:tcp -h 127.0.0.1 -p 10010",
        "IceFlix/Main:tcp -h 192.0.2.7 -p 10010:tcp -h 192.0.2.8 -p 10010",
        'x:tcp -h "::1" -p 1',
        "a-t-e:tcp -h some-t -p 1",
    ):
        proxy = ice.stringToProxy(text)
        assert proxy is not None
        short = watch.short(proxy.ice_toString())
        assert ice.stringToProxy(short) == proxy
        assert " -e 1.1" not in short and "60000" not in short


def test_the_endpoints_of_a_service() -> None:
    """What the table shows."""
    proxy = "f00 -t -e 1.1:tcp -h 127.0.0.1 -p 4061 -t 60000"
    assert watch.endpoint(Facts("auth", "f00", 1, proxy, 0.0, Path())) == "tcp -h 127.0.0.1 -p 4061"
