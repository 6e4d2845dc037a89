"""The sender for the common case: one thread paces all streams, from the files' indexes."""
