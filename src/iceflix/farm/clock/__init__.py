"""The farm's clocks: user administrator <- Authenticator <- gateway, and who else wants it."""
