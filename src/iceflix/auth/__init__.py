"""Identity: credentials, tokens, the Authenticator and the administration of its users."""
