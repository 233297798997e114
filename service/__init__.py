"""The task service. README.md has the map of its rooms.

The statements are in sql/, the schema in migrations/, both beside this package or, installed,
inside it.
"""

import gc

__version__ = "0.3.0"

COLLECT_AFTER = 20_000
"""Number of new objects after which the garbage collector looks for cycles. Modules and requests
leave none, so it need not look often: Python's 700 cost a tenth of the start.
"""
gc.set_threshold(COLLECT_AFTER)
