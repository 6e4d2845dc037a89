"""The Slice face of a ring's member."""

from iceflix.contract import Ice, IceFlix
from iceflix.farm.model import Token
from iceflix.farm.node.shell import Shell
from iceflix.farm.wire import from_slice, to_slice
from iceflix.runtime.boundary import operation


class RingServant(IceFlix.Ring):
    """Translates between the wire and the shell; every operation is answered at once."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    @operation()
    def take(self, held: IceFlix.Token, _current: Ice.Current | None = None) -> None:
        """Get the token from the predecessor."""
        token = from_slice(Token, held)
        self._shell.event(lambda member, now: member.take(token, now))

    @operation()
    def kick(self, _current: Ice.Current | None = None) -> None:
        """Hear that there is something to do."""
        self._shell.event(lambda member, now: member.kick(now))

    @operation()
    def callOff(self, node: str, task: str, _current: Ice.Current | None = None) -> None:
        """Hear that nobody wants a task's result any more."""
        self._shell.call_off(node, task)

    @operation()
    def election(
        self, ring: str, candidate: str, epoch: int, _current: Ice.Current | None = None
    ) -> None:
        """Hear that somebody runs for master."""
        if ring == self._shell.member.me.ring:
            self._shell.event(lambda member, now: member.election(candidate, epoch, now))

    @operation()
    def elected(
        self, ring: str, master: str, epoch: int, _current: Ice.Current | None = None
    ) -> None:
        """Hear who is master."""
        if ring == self._shell.member.me.ring:
            self._shell.event(lambda member, now: member.elected(master, epoch, now))

    @operation()
    def lastSeen(self, _current: Ice.Current | None = None) -> IceFlix.Token:
        """Show the newest token that was here."""
        token: IceFlix.Token = to_slice(self._shell.member.last_seen)
        return token
