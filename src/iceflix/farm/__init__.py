"""The farm: image filters applied by rings of nodes, from a client's request to the result."""
