"""A node of a ring: the state machine put to work with Ice; the workshop does its tasks."""
