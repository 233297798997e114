"""Logs, metrics, traces and probes for operators."""
