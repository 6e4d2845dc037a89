"""The streaming service, without the wire."""
