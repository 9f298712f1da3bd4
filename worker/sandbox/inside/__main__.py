"""The entry point: make this folder a package, serve, and in a spare that got a Python program, run it from here.

Given one number, it is the zygote of the slot whose socket has this descriptor. With the word `survivors` before it, it
ends every process of the user with this number.
"""

import os
import sys

if __name__ == "__main__":
    # Run by path, and by the file's own: given the folder, Python would spend 8 ms on finding this file in it.
    # As a script it is no package yet, which relative imports need.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    *words, number = sys.argv[1:]
    if words:
        __import__("inside.survivors").survivors.end_all_of(int(number))
        os._exit(0)
    package = __import__("inside.zygote")
    # Nothing after this line may find its modules beside ours.
    del sys.path[0]
    job = package.zygote.main(int(number))
    if job is None:
        # There is nothing to tidy up in this process, and somebody may wait for its end.
        os._exit(0)
    # From the bottom of the stack: a program has the depth of recursion that it has anywhere.
    package.python_program.run(job)
