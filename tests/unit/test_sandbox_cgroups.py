"""Where control groups lie, and that those of a slot come and go with it."""

from pathlib import Path

from worker.sandbox.cgroups import Mount, SlotGroups, _mounts
from worker.sandbox.inside.cgroups import Groups

_VERSION_1 = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
37 31 0:34 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
"""
_VERSION_2 = "29 23 0:26 /docker/x /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw,nsdelegate\n"


def test_each_hierarchy_that_can_bound_a_run_is_found() -> None:
    """Version 1 has one for each controller, and a process may be elsewhere in each."""
    found = list(_mounts(_VERSION_1, "8:pids:/a\n4:memory:/b/c\n2:cpu,cpuacct:/\n0::/\n"))
    assert found == [
        Mount(Path("/sys/fs/cgroup/memory/b/c"), is_unified=False),
        Mount(Path("/sys/fs/cgroup/pids/a"), is_unified=False),
    ]


def test_a_mount_that_shows_a_part_of_the_tree_is_followed_from_there() -> None:
    """In a container the mount begins at the container's own group."""
    found = list(_mounts(_VERSION_2, "0::/docker/x/worker\n"))
    assert found == [Mount(Path("/sys/fs/cgroup/worker"), is_unified=True)]


def test_a_machine_without_groups_has_none() -> None:
    """Less is reported; nothing fails."""
    assert list(_mounts("22 1 0:5 / /proc rw - proc proc rw\n", "0::/\n")) == []


def test_groups_of_a_slot_are_gone_when_it_is(tmp_path: Path) -> None:
    """They are the kernel's memory, and a name in a listing that somebody reads."""
    groups = SlotGroups((tmp_path,))
    (folder,) = groups.folders
    assert folder.is_dir()
    groups.remove()
    groups.remove()
    assert list(tmp_path.iterdir()) == []


def test_version_2_is_bounded_and_measured_by_its_own_names(tmp_path: Path) -> None:
    """Few machines have both versions; the files are all that differs."""
    files = {"memory.max": "max", "memory.peak": "4096", "memory.events": "oom 3\noom_kill 1\n"}
    for name, content in {**files, "pids.max": "max", "memory.current": "8192"}.items():
        (tmp_path / name).write_text(content)
    groups = Groups((str(tmp_path),))
    assert groups.layers == ["cgroup-memory", "cgroup-processes"]
    groups.reset()
    groups.bound(memory_mib=64, processes=10)
    assert (tmp_path / "memory.max").read_text().startswith(str((64 + 32) * 1024 * 1024))
    assert (tmp_path / "pids.max").read_text().startswith("12")
    (tmp_path / "memory.current").write_text("1056768\n")
    assert groups.held_kib() == (1056768 - 8192) // 1024
    assert not groups.has_run_out_of_memory()
    (tmp_path / "memory.events").write_text("oom 4\noom_kill 2\n")
    assert groups.has_run_out_of_memory()


def test_what_an_earlier_run_read_is_not_taken_off_what_this_one_holds(tmp_path: Path) -> None:
    """Files of the system that were read first here stay in the group, until a run needs their memory."""
    held = tmp_path / "memory.current"
    held.write_text(str(4 << 20))
    groups = Groups((str(tmp_path),))
    groups.reset()
    held.write_text(str(204 << 20))
    groups.reset()
    assert groups.held_kib() == 200 << 10


def test_where_there_are_none_nothing_is_claimed() -> None:
    """A layer that is named and not there is the one thing a record must never hold."""
    groups = Groups(())
    groups.reset()
    groups.bound(memory_mib=64, processes=10)
    assert (groups.layers, groups.held_kib()) == ([], None)
    assert (groups.peak_kib(), groups.has_run_out_of_memory()) == (0, False)
