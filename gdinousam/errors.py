"""The one exception for what a user can fix."""


class InputError(ValueError):
    """Something the user gave is wrong: a file, a setting, a value.

    The message is one line that says what is wrong, where, and what to do. The command line prints it and exits
    with code 2; library callers catch it as a ``ValueError``.
    """

    is_table = False  # true in a subclass whose message is a table of several lines


class PhraseError(InputError):
    """A phrase that cannot be asked, whatever the image."""
