"""Unit tests of the farm: admin."""
