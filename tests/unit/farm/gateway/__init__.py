"""Unit tests of the farm: gateway."""
