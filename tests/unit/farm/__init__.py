"""Unit tests of the farm."""
