"""Hostile programs of our own: every way to spend what is limited, and the word for the limit that ends each."""

# ruff: noqa: E501  programs in a table: broken up for their length they could not be read

from jobs.limits import Limits

from .hostile import LIMITS, Hostile
from .own_running import PRELUDE

_SMALL_PROCESSES = """
for _ in range(30):
    if quietly(os.fork) == 0: block = bytearray(b"x") * (24 << 20); time.sleep(60)
    time.sleep(0.05)
time.sleep(60)
"""
_COPIES_ON_WRITE = """
block = bytearray(b"x") * (60 << 20)
for n in range(16):
    if quietly(os.fork) == 0:
        time.sleep(n / 8)
        for at in range(0, len(block), 4096): block[at] = 2
        time.sleep(60)
time.sleep(60)
"""
_BRK = """
libc.sbrk.restype = ctypes.c_void_p
for n in range(200):
    place = libc.sbrk(ctypes.c_long(8 << 20))
    if place in (None, ctypes.c_void_p(-1).value): raise MemoryError
    ctypes.memset(ctypes.c_void_p(place), 1, 8 << 20)
print("BREACH")
"""
_HUGE_PAGES = """
kept = []
for _ in range(40):
    try: kept.append(mmap.mmap(-1, 32 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    except OSError: raise MemoryError
    kept[-1].madvise(mmap.MADV_HUGEPAGE)
    for at in range(0, 32 << 20, 4096): kept[-1][at] = 1
print("BREACH")
"""
_OUT_OF_SIGHT_IN_MANY = """
libc.prctl(4, 0, 0, 0, 0)
for _ in range(20):
    if quietly(os.fork) == 0:
        block = mmap.mmap(-1, 40 << 20)
        for at in range(0, 40 << 20, 4096): block[at] = 1
        time.sleep(60)
time.sleep(60)
"""
_MANY_MAPPINGS = """
libc.mmap.restype, kept = ctypes.c_void_p, []
for n in range(20_000):
    if libc.mmap(None, ctypes.c_size_t(4096), 1 + n % 2 * 2, 0x22, -1, ctypes.c_long(0)) == ctypes.c_void_p(-1).value: break
while True: kept.append(bytearray(1 << 20))
"""
_PAGE_TABLES = """
kept, n = [], 0
while not isinstance(block := quietly(mmap.mmap, -1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ), OSError):
    kept.append(block)
    for at in range(0, 64 << 20, 2 << 20): block[at]
    if len(kept) > 100: print("BREACH"); break
print("done")
"""
_LOCKED = """
block = mmap.mmap(-1, 8 << 20)
start = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(block)))
for result in (libc.mlock(start, 8 << 20), libc.mlockall(3), libc.mlockall(6)): print("HELD" if result else "BREACH")
for size in (0x40000, 0x40000 | 21 << 26, 0x40000 | 30 << 26):
    held = quietly(mmap.mmap, -1, 1 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | size)
    print("HELD" if isinstance(held, OSError) else "BREACH", held)
print("done")
"""
_BUFFERS = """
def fill(end):
    end.setblocking(False)
    while not isinstance(quietly(end.send, b"x" * 65536), OSError): pass
def fill_pipe(end):
    os.set_blocking(end, False)
    while not isinstance(quietly(os.write, end, b"x" * 65536), OSError): pass
kept = []
while not isinstance(pair := quietly(socket.socketpair), OSError): kept.append(pair); fill(pair[0])
for left, right in kept[10:]: left.close(); right.close()
while not isinstance(pair := quietly(os.pipe), OSError): kept.append(pair); fill_pipe(pair[1])
print("done")
"""
_FILES_WITHOUT_NAMES = """
kept = []
for n in range(40):
    try:
        kept.append(open(f"{n}", "w+b")); os.unlink(f"{n}"); os.truncate(kept[-1].fileno(), 8 << 20)
        for _ in range(8): kept[-1].write(b"x" * (1 << 20))
    except OSError as error: print(error.errno)
print("done", flush=True)
os._exit(0)
"""
_ATTRIBUTES = """
open("file", "w").close()
for n in range(10_000):
    if isinstance(refused := quietly(os.setxattr, "file", f"user.{n}", b"x" * 60_000), OSError): print("HELD", n, refused); break
print("done")
"""
_GRANDCHILDREN = """
while True:
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid(); end = time.process_time() + 0.05
            while time.process_time() < end: pass
        os._exit(0)
    os.wait(); time.sleep(0.04)
"""
# Of each of the four a few are alive at once, since who has forked takes a while to end: well below the limit.
_MOVES_ON = """
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(4):
    if quietly(os.fork) == 0:
        while True:
            if quietly(os.fork) != 0: os._exit(0)
time.sleep(0.3)
print("done", flush=True)
os._exit(0)
"""
_WITHOUT_A_HEAD = """
def loop():
    while True: pass
threading.Thread(target=loop).start()
libc.syscall({"x86_64": 60, "aarch64": 93}[os.uname().machine], 0)
"""
_SHELLS = """
import subprocess
for _ in range(4): subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"])
time.sleep(60)
"""
# Less than the limit in all: it depends on the machine who of the two reads how much of it.
_READS_ITS_OUTPUT = """
back = os.open("/proc/self/fd/1", os.O_RDONLY | os.O_NONBLOCK)
for _ in range(500): os.write(1, b"y" * 400); quietly(os.read, back, 1 << 16)
print("done")
"""
_PACKETS = """
import fcntl
fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_DIRECT)
while True: os.write(1, b"x" * 100)
"""
_LATE = """
if os.fork() == 0: time.sleep(0.5); os.write(1, b"BREACH"); os._exit(0)
print("early", flush=True)
os._exit(0)
"""
_COPIES_A_RANGE = """
open("a", "wb").write(b"x" * (12 << 20))
a, b = os.open("a", os.O_RDONLY), os.open("b", os.O_CREAT | os.O_WRONLY)
while os.copy_file_range(a, b, 12 << 20) or os.lseek(a, 0, 0) == 0: pass
"""

_TOO_MUCH = {
    "small processes": (_SMALL_PROCESSES, "MLE", "memory"),
    "copies on write": (_COPIES_ON_WRITE, "MLE", "memory"),
    "brk": (_BRK, "MLE", "memory"),
    "huge pages": (_HUGE_PAGES, "MLE", "memory"),
    "out of sight in many processes": (_OUT_OF_SIGHT_IN_MANY, "MLE", "memory"),
    "many mappings": (_MANY_MAPPINGS, "MLE", "memory"),
    "grandchildren": (_GRANDCHILDREN, "TLE", "cpu|wall"),
    "a loop without a first thread": (_WITHOUT_A_HEAD, "TLE", "cpu|wall"),
    "shells": (_SHELLS, "TLE", "cpu|wall"),
    "a handled signal": (
        "signal.signal(signal.SIGXCPU, lambda *a: None)\nwhile True: pass",
        "TLE",
        "cpu|wall",
    ),
    "packets": (_PACKETS, "OLE", "output"),
    "output by its path": (
        "out = open('/proc/self/fd/2', 'wb', 0)\nwhile True: out.write(b'x' * 65536)",
        "OLE",
        "output",
    ),
    "output by splice": (
        "zero = os.open('/dev/zero', os.O_RDONLY)\nwhile True: os.splice(zero, 1, 65536)",
        "OLE",
        "output",
    ),
    "output by sendfile": (
        "open('f', 'wb').write(b'z' * (1 << 20))\nwhile True: os.sendfile(1, os.open('f', 0), 0, 1 << 20)",
        "OLE",
        "output",
    ),
    "a truncated file": ("open('f', 'wb').truncate(1 << 40)", "RE", "file_size"),
    "an allocated file": (
        "f = open('f', 'wb')\nos.posix_fallocate(f.fileno(), 0, 1 << 34)",
        "RE",
        "file_size",
    ),
    "a file with a hole": (
        "f = open('f', 'wb')\nf.seek(1 << 34)\nf.write(b'x')\nf.flush()",
        "RE",
        "file_size",
    ),
    "a copied range": (_COPIES_A_RANGE, "RE", "file_size"),
}
_HELD = {
    "page tables": _PAGE_TABLES,
    "locked and huge pages": _LOCKED,
    "buffers": _BUFFERS,
    "attributes of a file": _ATTRIBUTES,
    "a pid that moves on": _MOVES_ON,
    "its own output read": _READS_ITS_OUTPUT,
}


def _spends(name: str, source: str, verdicts: tuple[str, ...], *invariants: str) -> Hostile:
    return Hostile(name, PRELUDE + source, verdicts, ("wall_le", "rss_le", *invariants))


def limits_for(hostile: Hostile) -> Limits:
    """Those of a program that is to be ended by one of them: the others are well away, however busy the machine is."""
    if "limit_is:memory" in hostile.own_invariants:
        return LIMITS.model_copy(update={"cpu_seconds": 4.0, "wall_seconds": 8.0})
    return LIMITS


PROGRAMS = (
    *(
        _spends(name, source, (verdict,), f"limit_is:{limit}")
        for name, (source, verdict, limit) in _TOO_MUCH.items()
    ),
    *(_spends(name, source, ("OK",), "stdout_has:done") for name, source in _HELD.items()),
    _spends("files without names", _FILES_WITHOUT_NAMES, ("OK", "MLE")),
    _spends("late output", _LATE, ("OK",), "stdout_has:early"),
)
"""What is over a limit is ended by that limit's word; what no limit names is refused."""
