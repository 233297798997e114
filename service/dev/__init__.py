"""Tools for a developer's machine: a local PostgreSQL. Not in the image."""
