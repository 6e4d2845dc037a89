"""Unit tests of the farm: client."""
