"""Whether there is room for the records of jobs that are not taken yet."""

import shutil
from pathlib import Path

_MIB = 2**20


def lack_of_room(folder: Path, free_mib: int) -> str | None:
    """What to say where less than `free_mib` is free on the disk of `folder`; always the same of one folder."""
    try:
        is_low = shutil.disk_usage(folder).free < free_mib * _MIB
    except OSError:
        # What is wrong with it is told by whoever writes there.
        return None
    if not is_low:
        return None
    return (
        f"less than {free_mib} MiB are free on the disk of {folder}: make room there, or lower worker.free_mib; "
        "held jobs are finished, and jobs are taken again by themselves"
    )
