"""The options of a tracer that is not here: none."""
