"""Middleware around every handler, one job a module."""
