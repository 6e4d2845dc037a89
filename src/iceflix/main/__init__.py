"""The door of the platform: Main, which hands out live Authenticators and catalogues."""
