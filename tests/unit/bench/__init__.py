"""The measurements' own parts."""
