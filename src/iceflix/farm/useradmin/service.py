"""The user administrator as a microservice."""

from iceflix.farm.discovery import USERADMIN, farm_channel
from iceflix.farm.useradmin.servant import UserAdminServant
from iceflix.farm.useradmin.users import Users
from iceflix.runtime import clockwork
from iceflix.runtime.adminkey import AdminGuard
from iceflix.runtime.channels import AUTHENTICATOR
from iceflix.runtime.host import Host
from iceflix.runtime.timekeeper import Timekeeper

KIND = "useradmin"
_AGAIN = 10  # times Clock.RetrySeconds: an introduction seldom gets lost


def build(host: Host) -> None:
    """Compose the service. Raises SetupError."""
    guard = AdminGuard.of(host.settings)
    keeper = Timekeeper.reference(clockwork.clocks(host.settings))
    users = Users(host.directory, guard.key)
    proxy = host.publish(UserAdminServant(users, guard, keeper))
    clockwork.publish(host, keeper)
    host.announce(USERADMIN, proxy, farm_channel(()))
    host.listen(farm_channel((USERADMIN,)))  # its own voice tells it that the broker delivers
    host.directory.on_added(AUTHENTICATOR, lambda _known: users.introduce(proxy))
    host.scheduler.every(
        _AGAIN * host.settings.seconds("Clock.RetrySeconds"), lambda: users.introduce(proxy)
    )
