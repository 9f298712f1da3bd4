"""The library that scripts import: jobs as data, the queue, records, datasets and reports."""
