"""Measurements of IceFlix beside what people would use instead. See README.md."""
