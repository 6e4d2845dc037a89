"""The client: a session without a face, and the faces for a terminal and for scripts."""
