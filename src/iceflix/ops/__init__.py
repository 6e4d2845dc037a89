"""Running IceFlix: launchers, supervisor, status and doctor. Above the features, below nobody."""
