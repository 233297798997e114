"""HTTP for handlers: input, replies, conditions, cursors, problems."""
