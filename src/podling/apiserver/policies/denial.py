"""The answer to a write that a policy denies: Forbidden in its words, with the code of the policy's reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from podling.api.errors import ApiError, Cause, Forbidden, Invalid, RequestEntityTooLarge, Unauthorized
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.webhooks.matching import name_of

REASONS: dict[str, type[ApiError]] = {
    "Unauthorized": Unauthorized,
    "Forbidden": Forbidden,
    "RequestEntityTooLarge": RequestEntityTooLarge,
    "Invalid": Invalid,
}


class Denial(NamedTuple):
    policy: str
    binding: str
    why: str
    reason: str
    kind: str = "ValidatingAdmissionPolicy"

    @property
    def message(self) -> str:
        return f"{self.kind} '{self.policy}' with binding '{self.binding}' denied request: {self.why}"


def denied(attempt: Attempt, denial: Denial, causes: Sequence[Cause] = ()) -> ApiError:
    return refused(attempt, denial.message, REASONS.get(denial.reason, Invalid), causes)


def refused(attempt: Attempt, why: str, reason: type[ApiError] = Forbidden, causes: Sequence[Cause] = ()) -> ApiError:
    """`pods "x" is forbidden: …`, as every admission plugin says no."""
    entry = attempt.served.entry
    name = name_of(attempt)
    if attempt.generated:
        name = attempt.obj["metadata"].get("generateName") or name
    qualified = f"{entry.plural}.{entry.group}" if entry.group else entry.plural
    message = f'{qualified} "{name}" is forbidden: {why}'
    return reason(message, group=entry.group, kind=entry.plural, name=name, causes=causes)
