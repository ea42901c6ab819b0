# SPDX-License-Identifier: MIT
"""What the tests of the running server share."""
