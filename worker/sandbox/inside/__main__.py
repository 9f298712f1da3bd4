"""The entry point: make this folder a package, then hand over to the launcher."""

import os
import sys

if __name__ == "__main__":
    # Run by path, and by the file's own: given the folder, Python would spend 8 ms on finding this file in it.
    # As a script it is no package yet, which relative imports need.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    package = __import__("inside.launcher")
    # Nothing after this line may find its modules beside ours.
    del sys.path[0]
    # There is nothing to tidy up in this process, and a run waits for its end.
    os._exit(package.launcher.main(int(sys.argv[1])))
