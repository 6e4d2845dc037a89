"""Which names of users count as e-mail addresses (F19). Pure."""

import re

LONGEST = 254  # RFC 5321, section 4.5.3.1, less the brackets
# A dot-atom of RFC 5322 without what a spreadsheet or a shell could take for an instruction at the
# front; a domain of two labels at least, letters of any script.
_ADDRESS = re.compile(
    r"(?!.*\.\.)[^\W_][\w.!#$%&'*+/=?^`{|}~-]{0,62}(?<!\.)"
    r"@(?:[^\W_](?:[^\W_]|-){0,61}(?<!-)\.)+[^\W\d_](?:[^\W_]|-){0,61}[^\W_]"
)


def is_mail_address(text: str) -> bool:
    """Return whether this is an address like ana@example.org."""
    return len(text) <= LONGEST and _ADDRESS.fullmatch(text) is not None
