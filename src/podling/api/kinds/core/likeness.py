"""By what the Pods of one template are known again: most Pods come from a template that was looked at with the Pod
before, and what was found then need not be found once more.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from podling.api import known

Json = dict[str, Any]
_TOKEN_VOLUME: Final = re.compile(rb'"kube-api-access-[a-z0-9]{5}"')


def template_of(spec: Json) -> bytes | None:
    """What the specs of all Pods of one template have in common, as JSON; None for large ones, which are not kept.

    All that differs in them when they are made is the name of the token's volume."""
    data = orjson.dumps(spec)
    if len(data) > known.LONGEST:
        return None
    named = _TOKEN_VOLUME.search(data)
    return data if named is None else data.replace(named[0], b'"kube-api-access-0"')
