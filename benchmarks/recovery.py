"""How soon a killed worker's jobs run elsewhere, and how soon a submitted job is begun with.

    python -m benchmarks.recovery --repeats 5

Workers are processes of their own on a Redis of their own, and answer by recordings; a program says by a file that it runs.
Of a killed worker, the lease is nearly all of the time: the figure beside it is what comes on top.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from jobs.events import AttemptFinished, JobEvent, JobStarted, follow
from jobs.models import PromptJob
from jobs.queue import JobQueue
from worker.model.replay import Recording
