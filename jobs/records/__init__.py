"""Where finished jobs are kept."""
