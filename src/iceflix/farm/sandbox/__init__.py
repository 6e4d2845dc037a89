"""Warm worker processes in which foreign filters and foreign images can do no harm."""
