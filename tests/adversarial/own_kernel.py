"""Hostile programs of our own: what they ask of the kernel, and of other processes."""

# ruff: noqa: E501  programs in a table: broken up for their length they could not be read

from .hostile import Hostile

PRELUDE = """
import ctypes, errno, fcntl, mmap, os, resource, signal, socket, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
IS_X86 = os.uname().machine == "x86_64"
def number(x86, arm): return x86 if IS_X86 else arm
def refused(name, result):
    print("BREACH" if result >= 0 else "HELD", name, result, ctypes.get_errno())
def attempt(name, action):
    try: print("BREACH", name, action())
    except (OSError, ValueError) as error: print("HELD", name, error)
"""
_FOREIGN_DOOR = """
# mov eax, <number>; mov ebx, <argument>; int 0x80; ret
code = b"\\xb8" + struct.pack("<I", 310) + b"\\xbb" + struct.pack("<I", 0x10000000) + b"\\xcd\\x80\\xc3"
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(code)
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
result = ctypes.CFUNCTYPE(ctypes.c_int)(address)() if IS_X86 else os.kill(os.getpid(), signal.SIGSYS)
print("BREACH int80" if result == 0 else "HELD int80", result)
"""
_YOUNG_CALLS = """
null = ctypes.c_void_p()
buffer = ctypes.create_string_buffer(256)
for name, x86, arm, arguments in (
    ("x32 unshare", 0x40000000 | 272, 1 << 30, (0x10000000,)),
    ("io_uring_setup", 425, 425, (8, buffer)), ("io_uring_register", 427, 427, (0, 0, null, 0)),
    ("keyctl session", 250, 219, (0, -3, 1)), ("keyctl join", 250, 219, (1, b"left")),
    ("add_key", 248, 217, (b"user", b"left", b"x", 1, -4)), ("request_key", 249, 218, (b"user", b"left", null, -4)),
    ("bpf", 321, 280, (0, buffer, 72)), ("perf_event_open", 298, 241, (buffer, 0, -1, -1, 0)),
    ("userfaultfd", 323, 282, (1,)), ("memfd_create", 319, 279, (b"x", 0)), ("memfd_secret", 447, 447, (0,)),
    ("pidfd_open", 434, 434, (os.getppid(), 0)), ("setns", 308, 268, (0, 0)), ("unshare", 272, 97, (0x20000,)),
    ("mount", 165, 40, (b"x", b"/tmp", b"tmpfs", 0, null)), ("umount", 166, 39, (b"/tmp", 2)),
    ("fsopen", 430, 430, (b"tmpfs", 0)), ("open_tree", 428, 428, (-100, b"/", 1)),
    ("pivot_root", 155, 41, (b".", b".")), ("chroot", 161, 51, (b".",)),
    ("open_by_handle_at", 304, 265, (-100, buffer, 0)), ("name_to_handle_at", 303, 264, (-100, b"/", buffer, buffer, 0)),
    ("fanotify_init", 300, 262, (0, 0)), ("kcmp", 312, 272, (os.getpid(), os.getppid(), 0, 0, 0)),
    ("mq_open", 240, 180, (b"left", 0o102, 0o666, null)), ("shmget", 29, 194, (77, 4096, 0o1666)),
    ("msgget", 68, 186, (77, 0o1666)), ("semget", 64, 190, (77, 1, 0o1666)), ("swapon", 167, 224, (b"x", 0)),
    ("syslog", 103, 116, (2, buffer, 256)), ("acct", 163, 89, (b"x",)), ("sethostname", 170, 161, (b"x", 1)),
    ("init_module", 175, 105, (buffer, 256, b"")), ("reboot", 169, 142, (0,)), ("modify_ldt", 154, 1 << 29, (0, buffer, 16)),
    ("vmsplice", 278, 75, (1, buffer, 1, 0)), ("personality", 135, 92, (0x0040000,)), ("iopl", 172, 1 << 29, (3,)),
    ("socket netlink", 41, 198, (16, 3, 0)), ("socket packet", 41, 198, (17, 3, 0)), ("socket vsock", 41, 198, (40, 1, 0)),
    ("socket alg", 41, 198, (38, 5, 0)), ("an unknown call", 600, 600, (0,)),
    ("landlock without end", 444, 444, (null, 0, 1)), ("seccomp listener", 317, 277, (1, 8, buffer)),
):
    refused(name, libc.syscall(number(x86, arm), *arguments))
"""
_CLONES = """
def cloned(name, result):
    if result == 0: os.write(1, b"BREACH " + name.encode() + b"\\n"); os._exit(0)
    refused(name, result)
for name, flag in (("newuser", 0x10000000), ("newns", 0x20000), ("newnet", 0x40000000), ("newpid", 0x20000000)):
    cloned("clone " + name, libc.syscall(number(56, 220), flag | 17, 0, 0, 0, 0))
    arguments = ctypes.create_string_buffer(struct.pack("<11Q", flag, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0))
    cloned("clone3 " + name, libc.syscall(435, arguments, 88))
"""
_OTHER_PROCESSES = """
parent, sibling = os.getppid(), os.fork()
if sibling == 0: time.sleep(60)
word = ctypes.create_string_buffer(8)
vector = struct.pack("<QQ", ctypes.addressof(word), 8)
for name, pid in (("parent", parent), ("sibling", sibling)):
    for request in (16, 0x4206): refused(f"ptrace {request} {name}", libc.ptrace(request, pid, 0, 0))
    for call in (number(310, 270), number(311, 271)):
        refused(f"process_vm {name}", libc.syscall(call, pid, vector, 1, vector, 1, 0))
for name in ("mem", "environ", "maps", "syscall", "stack", "root", "cwd", "exe", "fd", "fdinfo", "map_files"):
    attempt(f"/proc/parent/{name}", lambda: open(f"/proc/{parent}/{name}", "rb").read(1) if name in
            ("mem", "environ", "maps", "syscall", "stack") else os.listdir(f"/proc/{parent}/{name}"))
attempt("write to the parent's memory", lambda: open(f"/proc/{parent}/mem", "r+b"))
for name in ("oom_score_adj", "clear_refs", "coredump_filter", "uid_map", "comm", "timerslack_ns", "autogroup"):
    attempt(f"write /proc/parent/{name}", lambda: open(f"/proc/{parent}/{name}", "w").write("0"))
for pid in {parent, 1}:
    for kind in (resource.RLIMIT_CPU, resource.RLIMIT_NOFILE, resource.RLIMIT_AS):
        attempt(f"prlimit {pid}", lambda: resource.prlimit(pid, kind, (1, 1)))
    attempt(f"sched_setaffinity {pid}", lambda: os.sched_setaffinity(pid, {0}))
    attempt(f"setpriority {pid}", lambda: os.setpriority(os.PRIO_PROCESS, pid, 19))
    refused(f"ioprio_set {pid}", libc.syscall(number(251, 30), 1, pid, 0x6000))
    refused(f"sched_setscheduler {pid}", libc.sched_setscheduler(pid, 5, ctypes.create_string_buffer(8)))
    refused(f"migrate_pages {pid}", libc.syscall(number(256, 238), pid, 0, 0, 0))
os.kill(sibling, 9)
print("done")
"""
_STOPS_EVERYBODY = """
for pid in (os.getppid(), 1, -os.getppid(), -1):
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGUSR1, 34, signal.SIGABRT):
        try: os.kill(pid, number)
        except OSError: pass
        libc.syscall(129 if IS_X86 else 138, pid, number, ctypes.create_string_buffer(128))
        libc.syscall(234 if IS_X86 else 131, pid, pid, number)
print("done")
"""
_COUNTS_PIDS = """
def is_there(pid):
    try: os.kill(pid, 0); return True
    except OSError: return False
# PID 1 of a namespace of its own may be seen; nobody else may.
found = [pid for pid in range(2, 1 << 16) if is_there(pid) and pid != os.getpid()]
print("BREACH" if found else "HELD", found[:9])
"""
_SIGNALS_BY_DESCRIPTOR = """
F_SETSIG, F_SETOWN_EX = 10, 15
for target in (os.getppid(), -os.getppid(), 1):
    ours, theirs = socket.socketpair()
    for number in (signal.SIGKILL, signal.SIGSTOP, 0):
        try:
            fcntl.fcntl(ours, fcntl.F_SETOWN, target)
            fcntl.fcntl(ours, F_SETSIG, int(number))
            fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
            theirs.send(b"x"); ours.recv(1)
        except OSError as error: print("HELD", error)
print("done")
"""
_OWN_MEMORY = """
start = next(int(line.split("-")[0], 16) for line in open("/proc/self/maps") if "r-xp" in line and "libc" in line)
try:
    with open("/proc/self/mem", "r+b", 0) as memory:
        memory.seek(start); memory.write(b"\\xcc" * 64)
    print("changed its own copy")
except OSError as error: print("HELD", error)
os.write(1, b"done\\n")
"""
_KERNEL_FILES = """
for path in ("/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches",
             "/proc/sys/user/max_user_namespaces", "/proc/sys/kernel/ns_last_pid", "/proc/sysrq-trigger",
             "/proc/self/oom_score_adj", "/proc/self/uid_map", "/proc/self/setgroups", "/proc/self/attr/current",
             "/proc/self/autogroup", "/sys/kernel/profiling", "/sys/fs/cgroup/cgroup.procs", "/sys/power/state",
             "/dev/mem", "/dev/kmsg", "/dev/fuse", "/dev/tty", "/dev/ptmx", "/dev/net/tun", "/dev/kvm"):
    for mode in ("r+b", "wb"):
        attempt(path, lambda: open(path, mode, 0).write(b"0"))
def tells(path):
    text = open(path, "rb").read(4096)
    if not any(line.split()[0].strip(b"0") for line in text.splitlines() if line.strip()): raise OSError("only noughts")
for path in ("/proc/kcore", "/proc/kallsyms", "/proc/1/environ", "/proc/kpagecount", "/proc/vmallocinfo", "/proc/slabinfo"):
    attempt(path, lambda: tells(path))
attempt("device node", lambda: os.mknod("disk", 0o60666, os.makedev(8, 0)))
attempt("character device", lambda: os.mknod("mem", 0o20666, os.makedev(1, 1)))
"""
_LEASES = """
# Of files of the host's that are shown: their owner may lease them, and that is who started the worker.
F_SETLEASE, F_NOTIFY, EVERY_ACCESS = 1024, 1026, 0x8000003F
open("own", "w").close()
for path in ("own", os.__file__, sys.executable or "/bin/sh"):
    for kind in (fcntl.F_RDLCK, fcntl.F_WRLCK):
        attempt(f"lease {path}", lambda: fcntl.fcntl(os.open(path, os.O_RDONLY), F_SETLEASE, kind))
for path in ("/usr/bin", os.path.dirname(os.__file__), "."):
    attempt(f"notices of {path}", lambda: fcntl.fcntl(os.open(path, os.O_RDONLY), F_NOTIFY, EVERY_ACCESS))
print("done")
"""
_TALKS_TO_THE_SUPERVISOR = """
for fd in range(3, 1024):
    try: os.fstat(fd)
    except OSError: continue
    print("BREACH descriptor", fd)
for fd in range(3, 1024):
    for said in (b"Report\\0wait_status\\x000\\0reason\\0", b"stop"):
        try: os.write(fd, said); print("BREACH said", fd)
        except OSError: pass
for line in open("/proc/net/unix") if os.access("/proc/net/unix", os.R_OK) else ():
    name = line.split()[-1]
    if name.startswith("@"):
        try: socket.socket(socket.AF_UNIX).connect("\\0" + name[1:]); print("BREACH socket", name)
        except OSError: pass
print("done")
"""
_REACHES_OUT = """
for address in (("127.0.0.1", 6379), ("127.0.0.1", 5353), ("::1", 6379), ("169.254.169.254", 80), ("192.0.2.1", 53)):
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            with socket.socket(family, kind) as out:
                out.settimeout(0.3)
                if kind == socket.SOCK_STREAM: out.connect(address)
                else: out.sendto(b"x", address)
            print("BREACH", address, kind)
        except OSError as error: print("HELD", address, kind, error)
# TCP without a connect(): data with the opening of the connection.
try: socket.socket().sendto(b"GET corpus:canary\\r\\n", 0x20000000, ("127.0.0.1", 6379)); print("BREACH fast open")
except OSError as error: print("HELD", error)
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    for name in ("\\0corpus-abstract", "/srv/runner/ctl.sock", "/run/systemd/notify", "/dev/log"):
        try: socket.socket(socket.AF_UNIX, kind).connect(name); print("BREACH", name)
        except OSError as error: print("HELD", error)
"""

_OK = ("OK",)
_ANY_END = ("OK", "RE", "SIG", "TLE", "MLE", "OLE")


def _calls(name: str, source: str, verdicts: tuple[str, ...], *invariants: str) -> Hostile:
    return Hostile(name, PRELUDE + source, verdicts, invariants)


PROGRAMS = (
    _calls("int 0x80", _FOREIGN_DOOR, ("SIG",), "wall_le"),
    _calls("young and wide calls", _YOUNG_CALLS, _OK, "stdout_has:an unknown call"),
    _calls("clones into namespaces", _CLONES, _OK, "stdout_has:HELD clone3 newpid"),
    _calls("other processes", _OTHER_PROCESSES, _OK, "stdout_has:done"),
    _calls("stops everybody", _STOPS_EVERYBODY, _ANY_END, "wall_le"),
    _calls("counts pids", _COUNTS_PIDS, _OK, "stdout_has:HELD []"),
    _calls("signals by descriptor", _SIGNALS_BY_DESCRIPTOR, _ANY_END, "wall_le"),
    _calls("its own memory", _OWN_MEMORY, _ANY_END, "wall_le"),
    _calls("files of the kernel", _KERNEL_FILES, _OK, "stdout_has:HELD character device"),
    _calls("leases and notices", _LEASES, _OK, "stdout_has:done"),
    _calls("talks to the supervisor", _TALKS_TO_THE_SUPERVISOR, _OK, "stdout_has:done"),
    _calls("reaches out", _REACHES_OUT, _OK, "stdout_has:HELD"),
)
"""What is refused is refused by name, and nobody outside notices."""
