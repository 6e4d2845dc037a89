"""The names of the topics, against the specification's words: a misspelt one fails in silence."""

from iceflix.contract import topics


def test_topic_names() -> None:
    """To the letter, final s included."""
    assert topics.SERVICE_AVAILABILITY == "ServiceAvailability"
    assert topics.AUTHENTICATION_STATUS == "AuthenticationStatus"
    assert topics.MEDIA_ANNOUNCEMENTS == "MediaAnnouncements"
