"""Hostile programs of our own: what they look for outside, and what they leave for the next."""

# ruff: noqa: E501  programs in a table: broken up for their length they could not be read

from .hostile import Hostile, Then
from .own_kernel import PRELUDE

_LINKS_OF_PROCESSES = """
import glob
for place in glob.glob("/proc/[0-9]*"):
    if place == f"/proc/{os.getpid()}": continue
    for name in ("exe", "cwd", "root", "ns/mnt", "ns/user"): attempt(f"{place}/{name}", lambda: os.readlink(f"{place}/{name}"))
    for name in ("fd", "map_files", "fdinfo"): attempt(f"{place}/{name}", lambda: os.listdir(f"{place}/{name}"))
print("done")
"""
_NAMESPACES_OF_OTHERS = """
import glob
USER, PARENT = 0xB701, 0xB702
def enter(fd): refused("setns", libc.setns(fd, 0))
for path in glob.glob("/proc/*/ns/*"):
    try: fd = os.open(path, os.O_RDONLY)
    except OSError: continue
    enter(fd)
    for request in (USER, PARENT):
        try: enter(fcntl.ioctl(fd, request))
        except OSError: pass
    os.close(fd)
import subprocess
for words in (["unshare", "-Ur"], ["unshare", "-m"], ["nsenter", "-t", "1", "-a"]):
    done = subprocess.run([*words, "true"], capture_output=True)
    print("HELD" if done.returncode else "BREACH", words)
print("done")
"""
_WAYS_UP = """
for path in ("/proc/self/root/etc/shadow", "/proc/self/cwd/../../../../etc/shadow", "/proc/thread-self/root/root/.ssh",
             "/proc/1/root/", "/proc/1/cwd/", "/dev/fd/../../1/root/etc", "/proc/self/task/1/root"):
    attempt(path, lambda: os.listdir(path) if os.path.isdir(path) else open(path).read())
for number in range(64):
    try: target = os.readlink(f"/proc/self/fd/{number}")
    except OSError: continue
    print("HELD" if target.startswith(("pipe:", "/proc/")) else "BREACH", number, target)
print("done")
"""
_CORES = """
attempt("a larger core", lambda: resource.setrlimit(resource.RLIMIT_CORE, (2, 2)))
child = os.fork()
if child == 0: os.abort()
print("BREACH" if os.WCOREDUMP(os.waitpid(child, 0)[1]) or len(os.listdir(".")) > 1 else "HELD")
print("done")
"""
_EVERY_FAMILY = """
for family in range(50):
    for kind in (1, 2, 3, 5, 10):
        try: made = socket.socket(family, kind, 0)
        except OSError: continue
        if family not in (1, 2, 10) or (kind == 3 and family != 1): print("BREACH", family, kind)
        for request in (0x8914, 0x8916, 0x890B, 0x89A0):
            try: fcntl.ioctl(made, request, struct.pack("16sH14x", b"lo", 0x41)); print("BREACH", hex(request))
            except OSError: pass
        made.close()
print("done")
"""
_PRIVILEGES = """
for change in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setgroups([0]), lambda: os.setreuid(0, 0)):
    attempt("id", change)
for capability in range(41):
    if libc.prctl(47, 2, capability, 0, 0) == 0: print("BREACH", capability)
refused("securebits", libc.prctl(28, 0, 0, 0, 0))
refused("capset", libc.capset(struct.pack("<Ii", 0x20080522, 0), struct.pack("<6I", 1 << 21, 1 << 21, 0, 0, 0, 0)))
refused("new privileges", libc.prctl(38, 0, 0, 0, 0))
for policy in (1, 2, 6): refused("policy", libc.sched_setscheduler(0, policy, struct.pack("i", 1)))
attempt("nice", lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))
for value in ("-1000", "0"): attempt("oom", lambda: open("/proc/self/oom_score_adj", "w").write(value))
print("done")
"""
_DEVICES = """
for path in ("mem", "kmem", "port", "sda", "vda", "nvme0n1", "loop0", "tty", "console", "ptmx", "kvm", "fuse", "net/tun", "userfaultfd", "vsock", "kmsg"):
    attempt(path, lambda: os.open(f"/dev/{path}", os.O_RDONLY | os.O_NONBLOCK))
for path in ("/sys/kernel/debug", "/sys/kernel/security", "/sys/class/net", "/sys/firmware", "/run/docker.sock", "/var/run/secrets"):
    attempt(path, lambda: os.listdir(path))
print("done")
"""
_ITS_OWN_FILTER = """
# Whatever a program forbids itself, whoever watches it goes on.
print("done", flush=True)
code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x00050001))
libc.prctl(22, 2, ctypes.create_string_buffer(struct.pack("HP", 1, ctypes.addressof(code))), 0, 0)
"""
_UNMAPS_ITSELF = """
print("done", flush=True)
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
for line in open("/proc/self/maps").read().splitlines()[::-1]:
    start, end = (int(place, 16) for place in line.split()[0].split("-"))
    if "[" not in line: libc.munmap(start, end - start)
"""
_EXEC_FROM_A_THREAD = """
threading.Thread(target=lambda: os.execv("/bin/sh", ["sh", "-c", "echo replaced; exit 5"])).start()
time.sleep(60)
"""
_SWAPS_FILES = """
open("a", "w").write("x")
for _ in range(3):
    if os.fork() == 0:
        while True:
            try: os.rename("a", "b"); os.symlink("/etc/passwd", "a"); os.unlink("a"); os.rename("b", "a")
            except OSError: pass
time.sleep(0.1)
print("done")
"""
_CLOSED_FILES = """
os.umask(0)
for number, mode in enumerate((0, 0o200, 0o100, 0o444)):
    os.close(os.open(f"file{number}", os.O_CREAT | os.O_WRONLY, mode)); os.mkdir(f"folder{number}", mode)
os.umask(0o777)
open("closed", "w").close(); os.mkdir("closed folder")
print("done")
"""
_LONG_WAY_DOWN = """
place = os.open(".", os.O_RDONLY)
for _ in range(100):
    os.mkdir("n" * 255, dir_fd=place); place, above = os.open("n" * 255, os.O_RDONLY, dir_fd=place), place
    os.close(above); os.close(os.open("f\\n" * 100, os.O_CREAT | os.O_WRONLY, dir_fd=place))
print("done")
"""
_LISTENS_ON = """
for family, address in ((socket.AF_UNIX, "\\0left-behind"), (socket.AF_INET, ("0.0.0.0", 4444)), (socket.AF_UNIX, "/tmp/left-behind")):
    try: listening = socket.socket(family); listening.bind(address); listening.listen(); os.set_inheritable(listening.fileno(), True)
    except OSError as error: print("HELD", error)
if os.fork() == 0: os.setsid(); time.sleep(60)
print("done", flush=True)
os._exit(0)
"""
_LISTENERS_LEFT = """
import socket
for family, address in ((socket.AF_UNIX, "\\0left-behind"), (socket.AF_INET, ("127.0.0.1", 4444)), (socket.AF_UNIX, "/tmp/left-behind")):
    try: socket.socket(family).connect(address); print("POISONED", address)
    except OSError: pass
print("looked")
"""
_SPOILS_ITS_INTERPRETER = """
import builtins, collections, gc, json, random, re, typing
builtins.print = lambda *a, **k: None; json.dumps = lambda *a: "POISONED"; random.random = lambda: 0.5
re.match = typing.List = collections.OrderedDict = None
sys.setrecursionlimit(50); sys.setswitchinterval(100); gc.disable(); os.umask(0o777)
os.environ.update(PYTHONSTARTUP="/tmp/x", LD_PRELOAD="/tmp/x.so")
signal.signal(signal.SIGALRM, signal.SIG_IGN); signal.setitimer(signal.ITIMER_REAL, 0.2)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32)); os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_STACK): resource.setrlimit(kind, (10, 10))
os.write(1, b"done")
"""
_SPOILT = """
import collections, gc, json, os, re, resource, signal, sys, typing
print("looked" if all((
    json.dumps([1]) == "[1]", sys.getrecursionlimit() == 1000, sys.getswitchinterval() < 1, gc.isenabled(), os.umask(0) == 0o022,
    set(os.environ) == {"PATH", "LANG", "HOME", "TMPDIR"}, None not in (re.match, typing.List, collections.OrderedDict),
    not signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.getitimer(signal.ITIMER_REAL)[0] == 0,
    resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 64, len(os.sched_getaffinity(0)) == len(os.sched_getaffinity(1 if os.getppid() == 1 else 0)),
)) else "POISONED")
"""
_WRITES_MODULES = """
library = os.path.dirname(os.__file__)
for place in ("/tmp", "/dev/shm", library, f"{library}/__pycache__", f"{os.environ['HOME']}/.local/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"):
    for name in ("json.py", "sitecustomize.py", "usercustomize.py", "x.pth", f"json.{sys.implementation.cache_tag}.pyc"):
        try: os.makedirs(place, exist_ok=True); open(f"{place}/{name}", "w").write("print('POISONED')\\n")
        except OSError: pass
print("done")
"""
_OF_A_NEW_INTERPRETER = """
import subprocess
print(subprocess.run(["python3", "-c", "import json; print('looked')"], capture_output=True, text=True).stdout)
"""
_SHELL_DOORS = """
for n in 3 4 5 6 7 8 9; do eval "echo stop >&$n" 2> /dev/null && echo BREACH $n; done
exec 3<> /dev/tcp/127.0.0.1/6379 && echo BREACH
cat /proc/*/environ /proc/*/task/*/environ /srv/runner/* 2> /dev/null
for pid in 1 $PPID -1; do kill -STOP $pid 2> /dev/null; done; ulimit -n 100000; ulimit -t unlimited
echo done
"""

_OK = ("OK",)


def _reaches(
    name: str, source: str, verdicts: tuple[str, ...] = _OK, said: str = "done"
) -> Hostile:
    return Hostile(name, PRELUDE + source, verdicts, ("wall_le", "rss_le", f"stdout_has:{said}"))


def _leaves(name: str, source: str, look: str) -> Hostile:
    then = Then(look, "looked", "POISONED")
    return Hostile(name, PRELUDE + source, _OK, ("wall_le", "stdout_has:done"), then=then)


PROGRAMS = (
    _reaches("links of processes", _LINKS_OF_PROCESSES),
    _reaches("namespaces of others", _NAMESPACES_OF_OTHERS),
    _reaches("ways up", _WAYS_UP),
    _reaches("cores", _CORES),
    _reaches("every family", _EVERY_FAMILY),
    _reaches("privileges", _PRIVILEGES),
    _reaches("devices", _DEVICES),
    _reaches("its own filter", _ITS_OWN_FILTER, ("OK", "RE", "SIG", "TLE")),
    _reaches("unmaps itself", _UNMAPS_ITSELF, ("SIG",)),
    _reaches("exec from a thread", _EXEC_FROM_A_THREAD, ("RE",), "replaced"),
    _reaches("swaps files", _SWAPS_FILES),
    _reaches("closed files", _CLOSED_FILES),
    _reaches("a long way down", _LONG_WAY_DOWN),
    _leaves("listens on", _LISTENS_ON, _LISTENERS_LEFT),
    _leaves("spoils its interpreter", _SPOILS_ITS_INTERPRETER, _SPOILT),
    _leaves("writes modules", _WRITES_MODULES, _OF_A_NEW_INTERPRETER),
    Hostile("doors of a shell", _SHELL_DOORS, _OK, ("wall_le", "stdout_has:done"), language="bash"),
)
"""Nothing answers, and the next program finds what the first one found."""
