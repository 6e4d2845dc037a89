"""The catalogue: titles, their tags, and the providers that have them now."""
