"""How soon a killed worker's jobs run elsewhere, and how soon a submitted job is begun with.

    python -m benchmarks.recovery --repeats 5

Workers are processes of their own on a Redis of their own, and answer by recordings; a program says by a file that it runs.
Of a killed worker, the lease is nearly all of the time: the figure beside it is what comes on top.
"""
