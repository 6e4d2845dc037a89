"""The token ring: its protocol as a pure state machine."""
