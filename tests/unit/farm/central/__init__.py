"""Unit tests of the farm: central."""
