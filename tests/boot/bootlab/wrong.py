# SPDX-License-Identifier: LGPL-2.1-or-later
"""The verdict."""


class Wrong(Exception):
    """What was expected and did not happen."""
