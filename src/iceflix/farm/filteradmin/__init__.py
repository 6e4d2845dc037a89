"""The filter administrator: which filters there are, who signed them, which ring runs which."""
