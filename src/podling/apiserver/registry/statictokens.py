"""Tokens from a file: `token,user,uid,"group1,group2"`, one a line (Kubernetes documentation, "Authenticating")."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from podling.apiserver.message import User

AUTHENTICATED = "system:authenticated"


def parse(text: str) -> Mapping[str, User]:
    """Users by token. Raises ValueError, with upstream's sentence, for a line that is too short or has no token."""
    found: dict[str, User] = {}
    for number, row in enumerate(csv.reader(io.StringIO(text), skipinitialspace=True), 1):
        if not row or row[0].startswith("#"):
            continue
        if len(row) < 3:
            raise ValueError(
                "token file must have at least 3 columns (token, user name, user uid), "
                f"found {len(row)} in line {number}"
            )
        token, name, uid = row[:3]
        if not token:
            raise ValueError(f"token file: line {number} has no token")
        groups = tuple(group for each in row[3:4] for group in each.split(",") if group)
        found[token] = User(name, (*groups, AUTHENTICATED), uid)
    return found
