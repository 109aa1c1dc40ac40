"""Tries what user code could try on its kernel. Prints JSON: name -> "ok …" or the errno of the refusal.

Usage: kernel-probe.py PID_OF_THE_SIDEKICK. Raw system calls, so that no library refuses first.
"""
import ctypes
import errno
import fcntl
import json
import os
import platform
import socket
import struct
import sys
import time

if "gvisor" not in platform.release():
    sys.exit("this kernel is not gVisor's: some of these calls would do harm")

LIBC = ctypes.CDLL(None, use_errno=True)
SIDEKICK = int(sys.argv[1])
BUFFER = ctypes.create_string_buffer(4096)
TARGET = ctypes.create_string_buffer(64)
IOV = ctypes.create_string_buffer(struct.pack("QQ", ctypes.addressof(TARGET), 64))
NEW_USER, NEW_MOUNT, NEW_PID, NEW_NET = 0x10000000, 0x20000, 0x20000000, 0x40000000


def call(number, *arguments):
    """A string is passed as its address, a number as itself."""
    kept = [ctypes.create_string_buffer(a.encode()) if isinstance(a, str) else a for a in arguments]
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in kept]
    ctypes.set_errno(0)
    result = LIBC.syscall(ctypes.c_long(number), *wide)
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return f"ok {result}"


def opened(path, mode=os.O_RDONLY):
    os.close(os.open(path, mode))
    return "ok"


def read(path):
    with open(path, "rb") as file:
        return f"ok {len(file.read(4096))}"


def sock(*kind):
    socket.socket(*kind).close()
    return "ok"


def unshared(flags, then):
    def both():
        call(272, flags)
        return then()

    return both


def mount_tmpfs():
    return call(165, "none", "/tmp", "tmpfs", 0, 0)


def raw_socket():
    return sock(socket.AF_INET, socket.SOCK_RAW, 1)


def ptrace(request, pid):
    return lambda: call(101, request, pid, 0, 0)


def new_link():
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", b"probe0", 2))
    return "ok"


def their_descriptor():
    pid = LIBC.syscall(434, SIDEKICK, 0)
    return call(438, pid, 3, 0)


def debugger():
    os.kill(SIDEKICK, 10)
    time.sleep(1)
    socket.create_connection(("127.0.0.1", 9229), 2)
    return "ok"


def reach_out():
    socket.create_connection(("1.1.1.1", 53), 2)
    return "ok"


TRIES = {
    "mount": mount_tmpfs,
    "mount --bind": lambda: call(165, "/etc", "/tmp", 0, 4096, 0),
    "umount": lambda: call(166, "/proc", 0),
    "fsopen": lambda: call(430, "tmpfs", 0),
    "open_tree": lambda: call(428, -100, "/", 1),
    "pivot_root": lambda: call(155, "/tmp", "/tmp"),
    "chroot": lambda: call(161, "/tmp"),
    "mknod": lambda: call(133, "/tmp/device", 0o60666, 0x0800),
    "unshare mount": lambda: call(272, NEW_MOUNT),
    "unshare net": lambda: call(272, NEW_NET),
    "unshare pid": lambda: call(272, NEW_PID),
    "setns": lambda: call(308, os.open("/proc/1/ns/mnt", os.O_RDONLY), 0),
    "setuid 0": lambda: call(105, 0),
    "setgid 0": lambda: call(106, 0),
    "ptrace sidekick": ptrace(16, SIDEKICK),
    "ptrace seize sidekick": ptrace(0x4206, SIDEKICK),
    "ptrace pid 1": ptrace(16, 1),
    "process_vm_readv sidekick": lambda: call(310, SIDEKICK, IOV, 1, IOV, 1, 0),
    "/proc/sidekick/mem": lambda: opened(f"/proc/{SIDEKICK}/mem", os.O_RDWR),
    "pidfd_getfd sidekick": their_descriptor,
    "kcmp sidekick": lambda: call(312, os.getpid(), SIDEKICK, 0, 0, 0),
    "debugger of the sidekick": debugger,
    "add_key": lambda: call(248, "user", "x", "y", 1, -3),
    "request_key": lambda: call(249, "user", "x", 0, 0),
    "bpf": lambda: call(321, 0, BUFFER, 72),
    "perf_event_open": lambda: call(298, BUFFER, 0, -1, -1, 0),
    "userfaultfd": lambda: call(323, 1),
    "io_uring_setup": lambda: call(425, 4, BUFFER),
    "fanotify_init": lambda: call(300, 0, 0),
    "open_by_handle_at": lambda: call(304, -100, BUFFER, 0),
    "init_module": lambda: call(175, BUFFER, 10, ""),
    "finit_module": lambda: call(313, 0, "", 0),
    "delete_module": lambda: call(176, "x", 0),
    "kexec_load": lambda: call(246, 0, 0, 0, 0),
    "reboot": lambda: call(169, 0xFEE1DEAD, 672274793, 0x89ABCDEF, 0),
    "iopl": lambda: call(172, 3),
    "ioperm": lambda: call(173, 0, 1, 1),
    "modify_ldt": lambda: call(154, 0, BUFFER, 16),
    "swapon": lambda: call(167, "/tmp/x", 0),
    "acct": lambda: call(163, "/tmp/x"),
    "quotactl": lambda: call(179, 0, 0, 0, 0),
    "clock_settime": lambda: call(227, 0, BUFFER),
    "adjtimex": lambda: call(159, BUFFER),
    "sethostname": lambda: call(170, "x", 1),
    "AF_ALG": lambda: sock(38, socket.SOCK_SEQPACKET, 0),
    "AF_PACKET": lambda: sock(17, socket.SOCK_RAW, 0x0300),
    "AF_PACKET dgram": lambda: sock(17, socket.SOCK_DGRAM, 0x0300),
    "raw icmp": raw_socket,
    "raw tcp": lambda: sock(socket.AF_INET, socket.SOCK_RAW, 6),
    "raw icmpv6": lambda: sock(socket.AF_INET6, socket.SOCK_RAW, 58),
    "netlink netfilter": lambda: sock(16, socket.SOCK_RAW, 12),
    "netlink audit": lambda: sock(16, socket.SOCK_RAW, 9),
    "AF_VSOCK": lambda: sock(40, socket.SOCK_STREAM, 0),
    "AF_KEY": lambda: sock(15, socket.SOCK_RAW, 2),
    "AF_BLUETOOTH": lambda: sock(31, socket.SOCK_RAW, 1),
    "AF_XDP": lambda: sock(44, socket.SOCK_RAW, 0),
    "AF_CAN": lambda: sock(29, socket.SOCK_RAW, 1),
    "AF_TIPC": lambda: sock(30, socket.SOCK_RAW, 0),
    "SCTP": lambda: sock(2, socket.SOCK_STREAM, 132),
    "/dev/kvm": lambda: opened("/dev/kvm", os.O_RDWR),
    "/dev/mem": lambda: opened("/dev/mem"),
    "/dev/kmsg": lambda: opened("/dev/kmsg"),
    "a link by /dev/net/tun": new_link,
    "/proc/kcore": lambda: read("/proc/kcore"),
    "/proc/kallsyms": lambda: read("/proc/kallsyms"),
    "/proc/keys": lambda: read("/proc/keys"),
    "/proc/sysrq-trigger": lambda: opened("/proc/sysrq-trigger", os.O_WRONLY),
    "core_pattern": lambda: opened("/proc/sys/kernel/core_pattern", os.O_WRONLY),
    "ip_forward": lambda: opened("/proc/sys/net/ipv4/ip_forward", os.O_WRONLY),
    "mkdir in /sys/fs/cgroup": lambda: os.mkdir("/sys/fs/cgroup/x"),
    "raw socket as root of an own user namespace": unshared(NEW_USER, raw_socket),
    "ptrace sidekick as root of an own user namespace": unshared(NEW_USER, ptrace(16, SIDEKICK)),
    "mount as root of an own user namespace": unshared(NEW_USER, mount_tmpfs),
    "clock as root of an own user namespace": unshared(NEW_USER, lambda: call(227, 0, BUFFER)),
    "module as root of an own user namespace": unshared(NEW_USER, lambda: call(175, BUFFER, 10, "")),
    "out of an own network namespace": unshared(NEW_USER | NEW_NET, reach_out),
    # What gVisor gives, and docs/kernel.md records.
    "unshare user": lambda: call(272, NEW_USER),
    "mount in own namespaces": unshared(NEW_USER | NEW_MOUNT, mount_tmpfs),
    "raw socket in own namespaces": unshared(NEW_USER | NEW_NET, raw_socket),
    "ping socket": lambda: sock(socket.AF_INET, socket.SOCK_DGRAM, 1),
    "netlink route": lambda: sock(16, socket.SOCK_RAW, 0),
    "/dev/fuse": lambda: opened("/dev/fuse", os.O_RDWR),
    "/dev/net/tun": lambda: opened("/dev/net/tun", os.O_RDWR),
    "keyring": lambda: call(250, 0, -3, 0),
    "/proc/sidekick/environ": lambda: read(f"/proc/{SIDEKICK}/environ"),
    "/proc/sidekick/maps": lambda: read(f"/proc/{SIDEKICK}/maps"),
    "signal to sidekick": lambda: call(62, SIDEKICK, 0),
    "dmesg": lambda: call(103, 3, BUFFER, 4096),
}


def alone(attempt):
    """In a process of its own: what succeeds changes it."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = str(attempt() or "ok")
        except OSError as error:
            said = errno.errorcode.get(error.errno, type(error).__name__)
        except BaseException as error:
            said = repr(error)
        os.write(theirs, said.encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return said or f"killed {status}"


print(json.dumps({name: alone(attempt) for name, attempt in TRIES.items()}))
