"""Tests of the comparison's pure parts."""
