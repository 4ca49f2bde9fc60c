"""What requests for certificates and the volumes that lead to them share: how long, and what may be said along.

Kubernetes' own signers give certificates of a day at most, others of 91 days (KEP-4317).
"""

from __future__ import annotations

from typing import Final

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules

SHORTEST: Final = 3600
LONGEST: Final = 91 * 24 * 3600
LONGEST_KUBERNETES: Final = 24 * 3600
_ANNOTATIONS_LIMIT: Final = 256 * 1024


def of_kubernetes(signer: str) -> bool:
    """Whether a signer's name is one of those that Kubernetes keeps for itself."""
    domain = signer.partition("/")[0]
    return domain == "kubernetes.io" or domain.endswith(".kubernetes.io")


def user_annotations(path: str, given: dict[str, str]) -> list[Cause]:
    """Keys with a domain before the slash; all together at most 256 KiB."""
    found: list[Cause] = []
    for key in given:
        domain, slash, rest = key.lower().partition("/")
        if not slash or not domain or not rest or "/" in rest:
            found.append(causes.invalid(path, key.lower(), 'must be a domain-prefixed key (such as "acme.io/foo")'))
            continue
        found += rules.all_invalid(path, domain, names.dns_subdomain(domain))
        found += rules.all_invalid(path, rest, names.qualified_name(rest))
    if sum(len(key.encode()) + len(value.encode()) for key, value in given.items()) > _ANNOTATIONS_LIMIT:
        found.append(causes.too_long(path, _ANNOTATIONS_LIMIT))
    return found
