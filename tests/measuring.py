"""Measurements of resources."""

import tracemalloc


def peak_memory(work, *arguments, **options):
    """Return the most bytes that Python and NumPy hold at a time during a call."""
    tracemalloc.start()
    try:
        work(*arguments, **options)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
