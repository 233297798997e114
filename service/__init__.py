"""The task service. README.md has the map of its rooms.

The statements are in sql/, the schema in migrations/, both beside this package or, installed,
inside it.
"""

__version__ = "0.3.0"
