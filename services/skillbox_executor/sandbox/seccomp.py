"""The system calls that a box may make, where the engine brings no filter of its own.

An allow-list, stricter than Docker's default profile: it has nothing that Docker gates behind a
capability, and leaves out what skills do not need but kernels had holes in (io_uring, ptrace,
userfaultfd, kernel keys, rare socket families). What is not listed does not exist (ENOSYS), so
that libraries fall back to older calls, and calls of future kernels are refused too.
"""

import errno
import os
from functools import cache
from typing import Any

from skillbox_executor.sandbox.interface import EngineUnavailable

# memfd_create is not here: what it makes can be executed although every file system is noexec.
_FILES = """
    access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat
    faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync
    fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstatfs fsync ftruncate futimesat
    getcwd getdents getdents64 getxattr inotify_add_watch inotify_init inotify_init1
    inotify_rm_watch ioctl lchown lgetxattr link linkat listxattr llistxattr lremovexattr lseek
    lsetxattr lstat mkdir mkdirat mknod mknodat newfstatat open openat openat2 pipe pipe2 pread64
    preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr
    rename renameat renameat2 rmdir sendfile setxattr splice stat statfs statx symlink symlinkat
    sync sync_file_range syncfs tee truncate umask unlink unlinkat utime utimensat utimes vmsplice
    write writev io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit
"""
_MEMORY = """
    brk madvise membarrier mincore mlock mlock2 mlockall mmap mprotect mremap msync munlock
    munlockall munmap pkey_alloc pkey_free pkey_mprotect
"""
_PROCESSES = """
    arch_prctl capget capset execve execveat exit exit_group fork get_robust_list get_thread_area
    getcpu getegid geteuid getgid getgroups getpgid getpgrp getpid getppid getpriority getresgid
    getresuid getrlimit getrusage getsid gettid getuid ioprio_get ioprio_set kill pause pidfd_open
    pidfd_send_signal prctl prlimit64 restart_syscall rseq rt_sigaction rt_sigpending
    rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
    sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
    sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam
    sched_setscheduler sched_yield seccomp set_robust_list set_thread_area set_tid_address
    setfsgid setfsuid setgid setgroups setpgid setpriority setregid setresgid setresuid setreuid
    setrlimit setsid setuid sigaltstack sysinfo tgkill tkill uname vfork wait4 waitid
    landlock_add_rule landlock_create_ruleset landlock_restrict_self
"""
_TIME = """
    alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer
    time timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create
    timerfd_gettime timerfd_settime times
"""
_TALK = """
    accept accept4 bind connect epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2
    epoll_wait eventfd eventfd2 futex futex_waitv getpeername getrandom getsockname getsockopt
    listen mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget
    msgrcv msgsnd poll ppoll pselect6 recvfrom recvmmsg recvmsg select semctl semget semop
    semtimedop sendmmsg sendmsg sendto setsockopt shmat shmctl shmdt shmget shutdown signalfd
    signalfd4 socketpair
"""
ALLOWED = frozenset(f"{_FILES} {_MEMORY} {_PROCESSES} {_TIME} {_TALK}".split())

_NAMESPACE_FLAGS = 0x7E020000  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_NETLINK_ROUTE = 0  # how the C library lists network interfaces
_PERSONALITIES = (0, 0xFFFFFFFF)  # plain Linux, and the question which one is set
_TIOCSTI = 0x5412  # types into a terminal
_LOW_WORD = 0xFFFFFFFF  # the kernel ignores the upper half of these arguments
_OPTIMISE_TREE = 2  # a binary tree of call numbers; the default is a chain


@cache
def filters() -> tuple[bytes, ...]:
    """Returns BPF programs, to be loaded in this order: the strictest answer counts.

    Raises:
        EngineUnavailable: libseccomp is missing.
    """
    try:
        # Loads the C library, which only this driver needs.
        import pyseccomp as lib  # noqa: PLC0415
    except (ImportError, RuntimeError, OSError) as error:
        raise EngineUnavailable(
            "bubblewrap needs libseccomp for its filter: apt-get install libseccomp2"
        ) from error
    return _export(_allowing(lib)), _export(_refusing(lib))


def _allowing(lib: Any) -> Any:
    result = lib.SyscallFilter(lib.ERRNO(errno.ENOSYS))
    # Foreign architectures, and x32, number their calls differently.
    result.set_attr(lib.Attr.ACT_BADARCH, lib.KILL_PROCESS)
    result.set_attr(lib.Attr.CTL_OPTIMIZE, _OPTIMISE_TREE)

    def allow(name: str, *conditions: Any) -> None:
        # A call that the library is too old to know stays refused.
        if lib.resolve_syscall(lib.Arch.NATIVE, name) != -1:
            result.add_rule(lib.ALLOW, name, *conditions)

    for name in sorted(ALLOWED):
        allow(name)
    # clone3 hides its flags in memory, so it is not listed; the C library then uses clone.
    allow("clone", lib.Arg(0, lib.MASKED_EQ, _NAMESPACE_FLAGS, 0))
    for family in (_AF_UNIX, _AF_INET, _AF_INET6):
        allow("socket", lib.Arg(0, lib.EQ, family))
    allow("socket", lib.Arg(0, lib.EQ, _AF_NETLINK), lib.Arg(2, lib.EQ, _NETLINK_ROUTE))
    for personality in _PERSONALITIES:
        allow("personality", lib.Arg(0, lib.EQ, personality))
    return result


def _refusing(lib: Any) -> Any:
    # A filter of its own: an allow-list cannot say "all but this one" about half an argument.
    result = lib.SyscallFilter(lib.ALLOW)
    refuse = lib.ERRNO(errno.EPERM)
    result.add_rule(refuse, "ioctl", lib.Arg(1, lib.MASKED_EQ, _LOW_WORD, _TIOCSTI))
    return result


def _export(program: Any) -> bytes:
    with os.fdopen(os.memfd_create("seccomp"), "w+b") as file:
        program.export_bpf(file)
        file.seek(0)
        return file.read()
