"""Filters: their notation, their files, their signatures, and the fifteen that are shipped."""
