# SPDX-License-Identifier: MIT
"""Asking a server's HTTP port."""

import http.client


def get(port, path):
    """(status, body)"""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        c.request("GET", path)
        answer = c.getresponse()
        return answer.status, answer.read()
    finally:
        c.close()
