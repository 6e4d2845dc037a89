"""Images: where they lie, what they may be called, how they are decoded and encoded."""
