"""Central: gives each job to a multiserver that is well, in turn. Knows nothing of rings."""
