"""Hostile programs of our own: what they use, what they leave, and how they end."""

# ruff: noqa: E501, ISC004  programs in a table: broken up for their length they could not be read

from .hostile import Hostile, Then

PRELUDE = """
import atexit, ctypes, gc, mmap, os, random, resource, signal, socket, stat, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def quietly(action, *arguments, **named):
    try: return action(*arguments, **named)
    except OSError as error: return error
"""
_LEAVES_NO_WAY_IN = """
open("result.txt", "w").write("x" * 100)
os.makedirs("a/b/c")
for place, folders, files in os.walk(".", topdown=False):
    for name in files + folders: quietly(os.chmod, os.path.join(place, name), 0)
for place in (os.environ["TMPDIR"], ".", ".."): quietly(os.chmod, place, 0)
print("done")
"""
_DEEP = """
depth = 0
try:
    for depth in range(800): os.mkdir("d" * 50); os.chdir("d" * 50)
except OSError as error: print(error.errno)
open("file", "w").write("x")
print("done")
"""
_MANY_FILES = """
n = 0
try:
    for n in range(100_000): os.close(os.open(f"{n}", os.O_CREAT | os.O_WRONLY))
except OSError as error: print(error.errno)
print("done", flush=True)
"""
_LINKS = """
for target in ("/etc/passwd", "/etc/hosts", os.__file__, sys.executable or "/bin/sh", "/proc/self/environ", "/dev/null"):
    for follow in (True, False):
        error = quietly(os.link, target, f"link-{abs(hash((target, follow)))}", follow_symlinks=follow)
        print("HELD" if isinstance(error, OSError) else "BREACH", target, error)
open("mine", "w").write("x"); quietly(os.link, "mine", "twice")
for number in range(3): quietly(os.link, f"/proc/self/fd/{number}", f"fd-{number}", follow_symlinks=True)
os.symlink("loop", "loop"); os.symlink("/", "root"); os.symlink("../../../../etc", "up"); os.symlink("/proc/self/root", "r")
os.mkdir("swapped"); open("swapped/x", "w").write("x"); os.rename("swapped", "kept"); os.symlink("/etc", "swapped")
print("done")
"""
_NAMES = """
folder = os.open(".", os.O_RDONLY)
for number, name in enumerate((b"..\\\\..\\\\x", b"a\\nb", b"\\x1b]0;x\\x07", b"\\xff\\xfe", b"..\\xc0\\xaf..", b" ", b"-rf", b"\\xe2\\x80\\xaegpj",
                               b"x" * 255, b"CON", b"$(reboot)", b"\\xed\\xa0\\x80", b"%2e%2e%2fx", b".. ", b"\\x7f")):
    made = (lambda: open(name, "w").write("x"), lambda: os.mkfifo(name), lambda: os.symlink("/etc/passwd", name),
            lambda: socket.socket(socket.AF_UNIX).bind(name), lambda: os.mkdir(name))[number % 5]
    quietly(made)
    os.makedirs(b"in " + name[:200], exist_ok=True); open(b"in " + name[:200] + b"/" + name, "wb").write(b"y")
quietly(open, "../../x", "w"); quietly(os.mkfifo, "../../y"); quietly(os.symlink, "/etc", "../../../z")
print("done")
"""
_TAKES_ITS_FOLDER_AWAY = """
os.chdir("..")
os.rename("work", "kept")
(lambda: open("work", "w").write("x"), lambda: os.mkfifo("work"), lambda: os.symlink("/etc", "work"), lambda: 0)[KIND]()
print("done")
"""
_SPARSE = """
print(resource.getrlimit(resource.RLIMIT_FSIZE))
for number in range(40):
    with open(f"sparse{number}", "wb") as file: file.truncate(16 << 20)
with open("tail", "wb") as file: file.seek((16 << 20) - 1); file.write(b"x")
print("done")
"""
_LEAVES_A_MARK = """
for place in ("/tmp", "/dev/shm", "/var/tmp", os.environ["HOME"], os.environ["TMPDIR"], "..", "/dev/mqueue", "/run"):
    try: open(f"{place}/left-behind", "w").write("CANARY")
    except OSError: pass
quietly(libc.shm_open, b"/left-behind", os.O_CREAT | os.O_RDWR, 0o666)
print("done")
"""
_FINDS_A_MARK = """
import os
for place in ("/tmp", "/dev/shm", "/var/tmp", os.environ["HOME"], os.environ["TMPDIR"], "..", "/dev/mqueue", "/run"):
    if os.path.exists(f"{place}/left-behind"): print("POISONED", place)
print("looked")
"""
_CHILDREN_NOBODY_COUNTS = """
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    if os.fork() == 0:
        os.setsid(); signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        end = time.monotonic() + 0.02
        while time.monotonic() < end: pass
        os._exit(0)
    time.sleep(0.02)
"""
_NAMED_LIKE_A_LINE = """
for _ in range(3):
    if os.fork() == 0:
        libc.prctl(15, b") S 0 0 (\\n0 0")
        while True: pass
time.sleep(60)
"""
_FLOOD_FROM_ALL_SIDES = """
for _ in range(20):
    if quietly(os.fork) == 0: break
while True:
    os.write(1, b"out\\0\\xff" * 9000); os.write(2, b"err" * 9000)
"""
_SPLIT_GROUPS = """
for number in range(8):
    if os.fork() == 0:
        os.setsid()
        for _ in range(3):
            if quietly(os.fork) == 0: os.setsid()
        for n in range(1, 65): quietly(lambda: signal.signal(n, signal.SIG_IGN)) if n not in (9, 19, 32, 33) else 0
        time.sleep(60)
print("done", flush=True)
os._exit(0)
"""
_STOPPED_CHILDREN = """
for _ in range(5):
    pid = os.fork()
    if pid == 0: os.kill(os.getpid(), signal.SIGSTOP)
print("done", flush=True)
"""
_HOLDS_DESCRIPTORS_IN_FLIGHT = """
pairs = [socket.socketpair() for _ in range(20)]
for left, right in pairs:
    for a, b in pairs: quietly(socket.send_fds, left, [b"x"], [a.fileno(), b.fileno(), 1, 2])
for left, right in pairs: left.close(); right.close()
print("done")
"""
_VFORKS = """
while True:
    if libc.vfork() < 0: time.sleep(0.01)
"""
_THREADS = """
def more():
    while True:
        try: threading.Thread(target=more, daemon=True).start()
        except RuntimeError: time.sleep(0.01)
more()
"""
_ATTRIBUTES_OF_NOBODY = """
# Everything that can be reached from our frames: modules, functions, objects.
seen, todo = set(), [sys._getframe(), *gc.get_objects(), *sys.modules.values()]
frame = sys._getframe()
while frame: todo.append(frame); frame = frame.f_back
strings, sockets = [], 0
while todo:
    each = todo.pop()
    if id(each) in seen or each is seen or each is todo or each is strings: continue
    seen.add(id(each))
    if type(each).__name__ == "socket" and type(each) is not type:
        sockets += quietly(getattr, each, "fileno") is not None and each.fileno() >= 0
    if isinstance(each, str): strings.append(each)
    if isinstance(each, bytes): strings.append(each.decode("latin1"))
    if type(each).__name__ in ("Setup", "Request", "Ready", "Walls", "PrivateWalls", "SharedWalls"): print(type(each).__name__)
    todo += gc.get_referents(each)
word = "".join(("CANA", "RY-"))
print("BREACH sockets" if sockets else "HELD no socket")
for text in strings:
    if word in text and word != text: print("BREACH", text[:200])
"""
_READS_ITS_MEMORY = """
WORD = b"".join((b"CANA", b"RY-"))
try:
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            if line.split()[1][0] != "r" or "[v" in line: continue
            start, end = (int(word, 16) for word in line.split()[0].split("-"))
            for at in range(start, min(end, start + (64 << 20)), 1 << 20):
                try: memory.seek(at); part = memory.read(min(1 << 20, end - at))
                except (OSError, OverflowError): break
                place = part.find(WORD + b"env")
                if place >= 0: print("BREACH", part[place:place + 60])
except OSError as error: print("HELD", error)
print("done")
"""
_ENDS = {
    "closes its streams": ("os.close(1); os.close(2)\nprint('x' * 100000)", ("OK", "RE")),
    "closes everything": ("os.closerange(0, 1 << 16)\nopen('a'); open('b')", ("RE",)),
    "raises in its hook": ("sys.excepthook = lambda *a: 1 / 0\nraise ValueError", ("RE",)),
    "exits in its hook": (
        "sys.excepthook = lambda *a: sys.exit(0)\nraise ValueError",
        ("RE", "OK"),
    ),
    "loops in its hook": (
        "def hook(*a):\n  while True: pass\nsys.excepthook = hook\nraise ValueError",
        ("TLE",),
    ),
    "replaces the ways out": (
        "os._exit = sys.exit = lambda *a: None\nimport posix; posix._exit = os._exit\nraise SystemExit(3)",
        ("RE",),
    ),
    "takes the modules away": (
        "atexit._run_exitfuncs = gc.collect = None\nsys.modules.clear()\nraise SystemExit(3)",
        ("RE",),
    ),
    "registers for ever": ("def again(): atexit.register(again)\nagain()", ("TLE", "OK")),
    "loops at the end": ("def loop():\n  while True: pass\natexit.register(loop)", ("TLE",)),
    "loops in a finalizer": (
        "class A:\n  def __del__(self):\n    while True: pass\na = A()",
        ("TLE",),
    ),
    "raises in a finalizer": (
        "class A:\n  def __del__(self): raise SystemExit(0)\na = A()\nraise SystemExit(3)",
        ("RE",),
    ),
    "comes back to life": (
        "class A:\n  def __del__(self): sys.kept = self; os.write(1, b'again')\na = A()\na.self = a",
        ("OK",),
    ),
    "threads that write on": (
        "def write():\n  while True: sys.stdout.write('x'); sys.stdout.flush()\n"
        "threading.Thread(target=write, daemon=True).start()",
        ("OK", "RE", "OLE", "SIG"),
    ),
    "a thread that exits": (
        "threading.Thread(target=lambda: (time.sleep(0.1), os._exit(5))).start()",
        ("RE",),
    ),
    "traces our frames": (
        "def trace(frame, event, argument):\n  frame.f_trace_lines = True\n  if frame.f_code.co_filename != __file__: sys.exit(0)\n"
        "  return trace\nsys.settrace(trace); threading.settrace(trace); sys.setprofile(lambda *a: 1 / 0)\nraise SystemExit(3)",
        ("RE", "OK"),
    ),
    "unwinds our frames": (
        "frame = sys._getframe()\nwhile frame.f_back: frame = frame.f_back; frame.f_locals.clear(); frame.f_globals.clear()\n"
        "raise SystemExit(3)",
        ("RE", "SIG"),
    ),
    "replaces its stream": (
        "class S:\n  closed = False\n  def write(self, s): raise SystemExit(0)\n  def flush(self): raise SystemExit(0)\n"
        "sys.stdout = sys.stderr = S()\nraise ValueError",
        ("RE",),
    ),
    "kills its group": ("os.kill(0, 9)", ("SIG",)),
    "kills itself by all": (
        "for n in (6, 8, 11, 31):\n  if os.fork() == 0: os.kill(os.getpid(), n)\nos.abort()",
        ("SIG",),
    ),
    "raises what cannot be shown": (
        "class E(BaseException):\n  __str__ = __repr__ = property(lambda s: 1 / 0)\n  __traceback__ = None\nraise E",
        ("RE",),
    ),
    "a chain without end": (
        "a, b = ValueError(), KeyError()\na.__cause__ = b; b.__cause__ = a\nraise a",
        ("RE",),
    ),
    "exits with what is no number": (
        "class N(int):\n  def __and__(self, o): return 0\nraise SystemExit(N(3))",
        ("RE", "OK"),
    ),
    "exits with a huge number": ("raise SystemExit(1 << 4000)", ("RE", "OK")),
    "NUL in the source": ("print('a')\0print('b')", ("RE",)),
    "stack of a thread": (
        "threading.stack_size(1 << 29)\ndef f(): return f()\nsys.setrecursionlimit(1 << 30)\n"
        "threading.Thread(target=f).start()",
        ("OK", "RE", "SIG", "MLE", "TLE"),
    ),
}
_ANY_END = ("OK", "RE", "SIG", "TLE", "MLE", "OLE")


def _own(name: str, source: str, verdicts: tuple[str, ...], *invariants: str) -> Hostile:
    return Hostile(name, PRELUDE + source, verdicts, ("wall_le", "rss_le", *invariants))


PROGRAMS = (
    _own("leaves no way in", _LEAVES_NO_WAY_IN, ("OK",), "stdout_has:done"),
    _own("deep folders", _DEEP, ("OK",), "stdout_has:done"),
    _own("many files", _MANY_FILES, ("OK", "TLE", "MLE")),
    _own("links", _LINKS, ("OK",), "stdout_has:done"),
    _own("names", _NAMES, ("OK",), "stdout_has:done"),
    *(
        _own(
            f"{what} for its folder",
            _TAKES_ITS_FOLDER_AWAY.replace("KIND", str(kind)),
            ("OK",),
            "stdout_has:done",
        )
        for kind, what in enumerate(("a file", "a fifo", "a link", "nothing"))
    ),
    _own("sparse files", _SPARSE, ("OK",), "stdout_has:done"),
    Hostile(
        "leaves a mark",
        PRELUDE + _LEAVES_A_MARK,
        ("OK",),
        then=Then(_FINDS_A_MARK, "looked", "POISONED"),
    ),
    _own("children nobody counts", _CHILDREN_NOBODY_COUNTS, ("TLE", "RE")),
    _own("named like a line of stat", _NAMED_LIKE_A_LINE, ("TLE",)),
    _own("flood from all sides", _FLOOD_FROM_ALL_SIDES, ("OLE",)),
    _own("sessions of their own", _SPLIT_GROUPS, ("OK", "RE"), "wall_le:2.5"),
    _own("stopped children", _STOPPED_CHILDREN, ("OK",), "wall_le:2.5", "stdout_has:done"),
    _own("descriptors in flight", _HOLDS_DESCRIPTORS_IN_FLIGHT, ("OK",), "stdout_has:done"),
    _own("vfork bomb", _VFORKS, _ANY_END),
    _own("thread bomb", _THREADS, _ANY_END),
    _own("what can be reached", _ATTRIBUTES_OF_NOBODY, ("OK",), "stdout_has:HELD no socket"),
    _own("its own memory read", _READS_ITS_MEMORY, ("OK",), "stdout_has:done"),
    *(_own(name, source, verdicts) for name, (source, verdicts) in _ENDS.items()),
)
"""However they end, it is a verdict, and the next program finds nothing of them."""
