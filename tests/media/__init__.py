"""Small videos made when they are needed, and a receiver that decodes what it got."""
