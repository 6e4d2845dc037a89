"""Unit tests of the farm: clock."""
