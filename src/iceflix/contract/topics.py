"""The names of the topics, to the letter: a misspelt one fails in silence."""

SERVICE_AVAILABILITY = "ServiceAvailability"
AUTHENTICATION_STATUS = "AuthenticationStatus"
MEDIA_ANNOUNCEMENTS = "MediaAnnouncements"
FARM_AVAILABILITY = "FarmAvailability"
