"""IceFlix: self-hosted video on demand and image-filter farm, built of ZeroC Ice microservices."""

__version__ = "0.1.0"
