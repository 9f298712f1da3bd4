"""What runs between the worker and the program: standard library only, run by path, meant to be audited.

Theory of operation. The worker starts this folder as `python -I -S inside/__main__.py <descriptor>` with an empty
environment. The launcher reads one `Request` from that descriptor, walls itself in layer by layer, starts the program,
watches the tree of processes until the program ends or a limit fires, kills and reaps all of them, and only then sends
one `Report`. If a layer is refused it sends a `Refusal` and no program runs. If the worker closes the descriptor, or
dies, everything here dies.

The imports are few on purpose: each one is start-up time that every run pays.
"""
