"""The task service. README.md has the map: imports run down it and never up.

The statements lie in sql/, the schema in migrations/, both beside this package or, installed,
inside it.
"""

__version__ = "0.3.0"
