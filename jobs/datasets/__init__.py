"""Files of tasks, read and checked."""
