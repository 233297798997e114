"""HTTP, whatever the resource: input, replies, problems, the edge."""
