"""The user administrator: who may use the farm, and what time it is."""
