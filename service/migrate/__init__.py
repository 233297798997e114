"""Migrations: yoyo, with a lock, checksums and a time limit."""
