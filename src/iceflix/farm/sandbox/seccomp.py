"""The filter of system calls: a list of what a worker needs; all else is refused.

Python, NumPy and OpenCV, once imported, need memory, time and the channel to their host. No
process or thread can be made, no socket, no file written, no signal sent: such a call fails with
EPERM, which Python turns into an exception, so that the filter's author learns what was wrong.
"""

import errno
import importlib
import io
import os
from functools import cache
from typing import Any

from iceflix.runtime.errors import SetupError

ALLOWED = (
    "brk madvise mmap mprotect mremap munmap membarrier "
    "clock_getres clock_gettime clock_nanosleep nanosleep gettimeofday time times "
    "close dup fstat getcwd getdents64 lseek newfstatat read readv pread64 readlink readlinkat "
    "access faccessat faccessat2 stat lstat statx write writev "
    "exit exit_group futex get_robust_list restart_syscall rseq sched_getaffinity sched_yield "
    "getegid geteuid getgid getpid getppid gettid getuid getrandom getrusage getrlimit uname "
    "poll ppoll pselect6 select recvfrom "
    "rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn sigaltstack"
)
_DUPLICATE_FOR_EXEC = 1030
_FCNTL_COMMANDS = (1, 2, 3, _DUPLICATE_FOR_EXEC)  # flags; no owner of signals, no leases


@cache
def program(may_open: bool) -> bytes:
    """The filter as a BPF program of this machine. Raises SetupError without libseccomp.

    may_open: whether files may be opened for reading, which is harmless where there are none.
    """
    try:
        # Loaded here: it looks for the library by running ldconfig, and raises when there is none.
        library: Any = importlib.import_module("pyseccomp")
    except (ImportError, RuntimeError, OSError) as error:
        raise SetupError(
            "libseccomp cannot be loaded, so filters would run without protection; "
            "install the package libseccomp2"
        ) from error
    refused = library.ERRNO(errno.EPERM)
    rules = library.SyscallFilter(refused)

    def allow(name: str, *arguments: object, action: int = library.ALLOW) -> None:
        """Add a rule, unless this machine's architecture lacks the call."""
        if library.resolve_syscall(library.Arch.NATIVE, name) >= 0:
            rules.add_rule(action, name, *arguments)

    for name in ALLOWED.split():
        allow(name)
    # The C library falls back to clone, which is refused, only on "not implemented".
    allow("clone3", action=library.ERRNO(errno.ENOSYS))
    allow("sendto", library.Arg(4, library.EQ, 0))  # to its peer, not elsewhere
    allow("prlimit64", library.Arg(0, library.EQ, 0))  # of itself
    for command in _FCNTL_COMMANDS:
        allow("fcntl", library.Arg(1, library.EQ, command))
    if may_open:
        allow("openat", library.Arg(2, library.MASKED_EQ, os.O_ACCMODE, os.O_RDONLY))
    return _exported(rules)


def _exported(rules: Any) -> bytes:
    """The program's bytes; the library writes them to a file."""
    handle = os.memfd_create("seccomp")
    with open(handle, "w+b", buffering=0) as file:  # noqa: PTH123
        assert isinstance(file, io.FileIO)
        rules.export_bpf(file)
        file.seek(0)
        return file.readall()
