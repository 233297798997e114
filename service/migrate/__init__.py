"""Migrations by yoyo, with a lock, checksums and a lock timeout."""
