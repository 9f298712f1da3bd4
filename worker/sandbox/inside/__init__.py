"""What runs between the worker and the programs: standard library only, run by path, meant to be audited.

Theory of operation. The worker starts one zygote for each of its slots, `python -I -S inside/__main__.py
<descriptor>`, with an empty environment and nothing but one socket. Under `strict` the zygote leaves every namespace
of the host and becomes PID 1 of its own; under `contained` it stays among the host's processes. It keeps one spare
child waiting, behind walls of its own, for the next program, so that a run costs a fork and not an interpreter.

    zygote.py         the supervisor: start, life from run to run, end
      spare.py        the child: walls, wait, become the program
        python_program.py   what an interpreter does around a program
      watcher.py      limits over the whole tree; why a run ended
      collector.py    the files a program left
      undertaker.py   namespaces that a run left
    survivors.py      what outlived a zygote that was killed
    walls.py          what surrounds a run, and in which order
      private_walls.py, shared_walls.py     the profiles
        namespaces.py, mounts.py, landlock.py, seccomp.py, syscall_table.py, rlimits.py, identity.py, scratch.py
    cgroups.py        exact memory, where a group could be had
    protocol.py, layers.py, processes.py, syscalls.py     the words, the names, the tree, the kernel's calls

The imports are few on purpose: what is imported here is in the memory of every program.
"""
