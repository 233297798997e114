"""The API's resources: one module each, with models and handlers."""
