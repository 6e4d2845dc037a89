"""The multiserver: takes jobs, gives their tasks to rings, answers each job once."""
