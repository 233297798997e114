"""What clients see: one module a resource, its models beside its handlers."""
