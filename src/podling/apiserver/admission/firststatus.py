"""A new Pod's first status tells of the Pod as admission left it, not as it came.

Its quality of service is fixed for ever, and whether it may be scheduled is said from the beginning; defaults of a
LimitRange and webhooks may have changed both.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from podling.api.kinds.core.pod import on_create
from podling.api.quantity import BadQuantity

if TYPE_CHECKING:
    from podling.apiserver.admission.chain import Attempt


class FirstStatus:
    """Ours: upstream's strategy of the kind runs behind all that changes an object, ours before it."""

    operations = ("CREATE",)
    kinds = (("", "Pod"),)

    async def admit(self, attempt: Attempt) -> None:
        attempt.obj.setdefault("spec", {})
        # What a webhook has made no quantity of is validation's to refuse.
        with suppress(BadQuantity):
            on_create(attempt.obj)
