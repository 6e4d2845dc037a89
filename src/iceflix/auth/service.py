"""The Authenticator as a microservice: settings -> objects -> servant -> host."""

import secrets
import time

from iceflix.auth.authenticator import Authenticator, Policy, World
from iceflix.auth.registry import FACET, Introduction, Registry, RegistryServant
from iceflix.auth.servant import AuthenticatorServant
from iceflix.auth.signing import TokenSeal, load_key
from iceflix.auth.tokens import NONCE_BYTES, Instant
from iceflix.contract import IceFlix
from iceflix.contract.topics import AUTHENTICATION_STATUS
from iceflix.runtime import clockwork
from iceflix.runtime.adminkey import AdminGuard
from iceflix.runtime.channels import AUTHENTICATOR
from iceflix.runtime.host import Host
from iceflix.runtime.timekeeper import Timekeeper

KIND = "auth"
FOLLOW_SECONDS = 1.0


def now() -> Instant:
    """Return this moment. The monotonic clock is the one that goes on while a laptop sleeps."""
    return Instant(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME))


def build(host: Host) -> None:
    """Compose the service. Raises SetupError."""
    settings = host.settings
    status = host.topics.publisher(AUTHENTICATION_STATUS, IceFlix.TokenRevocationPrx)
    world = World(
        clock=now,
        nonce=lambda: secrets.token_bytes(NONCE_BYTES),
        later=host.scheduler.after,
        revoke=lambda token: status.send(lambda topic: topic.revokeAsync(token)),
    )
    authenticator = Authenticator(
        settings.path("Auth.File"),
        TokenSeal(load_key(settings.path("Auth.KeyFile"))),
        host.identifier,
        Policy(settings.seconds("Auth.TokenSeconds"), settings.integer("Auth.ThrottleAfter")),
        world,
    )
    proxy = host.publish(AuthenticatorServant(authenticator))
    host.announce(AUTHENTICATOR, proxy)
    host.scheduler.every(FOLLOW_SECONDS, authenticator.follow)
    host.on_reload(authenticator.reload)
    host.details(authenticator.details)
    _add_registry(host, authenticator)


def _add_registry(host: Host, authenticator: Authenticator) -> None:
    """The facet for the user administrator, and the clock that follows its clock (F18, F21)."""
    assert host.proxy is not None
    guard = AdminGuard.of(host.settings)
    keeper = Timekeeper(clockwork.clocks(host.settings))
    introduction = Introduction()
    registry = Registry(host.settings.path("Auth.File"), authenticator)
    servant = RegistryServant(registry, guard, keeper, introduction)
    host.adapter.addFacet(servant, host.proxy.ice_getIdentity(), FACET)
    introduction.follower = clockwork.follow(host, keeper, introduction.reference)
