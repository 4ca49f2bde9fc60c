"""CustomResourceDefinitions whose rules or conversion webhooks nothing here carries out: a Warning says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podling.apiserver.customresources.unevaluated import warn

if TYPE_CHECKING:
    from podling.apiserver.admission.chain import Attempt


class CustomDefinitions:
    operations = ("CREATE", "UPDATE")
    kinds = (("apiextensions.k8s.io", "CustomResourceDefinition"),)

    async def admit(self, attempt: Attempt) -> None:
        warn(attempt.request, attempt.obj)
