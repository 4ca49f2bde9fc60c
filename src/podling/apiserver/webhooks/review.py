"""AdmissionReview: the question a webhook is asked and what may be made of its answer, in v1 and v1beta1.

Pure: values in, values out. What is checked of an answer, and how it is told where it is wrong, is upstream's
`VerifyAdmissionResponse`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.message import User
from podling.apiserver.webhooks.content import Content, Triple, options_of

Json = dict[str, Any]
VERSIONS = ("v1", "v1beta1")
"""Those we speak; the first of a webhook's list that we do is used."""
GROUP = "admission.k8s.io"


class BadReview(Exception):
    """The answer is none; the text says why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`status`: why not, as the webhook said it. `patch`: operations of a JSON Patch, None for none."""

    allowed: bool
    status: Mapping[str, Any] | None = None
    patch: bytes = b""
    patch_type: str = ""
    warnings: Sequence[str] = ()
    annotations: Mapping[str, str] | None = None


def version_of(offered: Sequence[str]) -> str:
    """Raises BadReview where the webhook speaks none of ours."""
    for version in offered:
        if version in VERSIONS:
            return version
    raise BadReview(f"webhook does not accept known AdmissionReview versions (v1, v1beta1), got {list(offered)}")


def question(version: str, uid: str, attempt: Attempt, content: Content) -> bytes:
    """The AdmissionReview to send."""
    return msgspec.json.encode(
        {"kind": "AdmissionReview", "apiVersion": f"{GROUP}/{version}", "request": request_of(uid, attempt, content)}
    )


def request_of(uid: str, attempt: Attempt, content: Content) -> Json:
    """An AdmissionRequest; the variable `request` of expressions has the same fields, without the objects."""
    entry = attempt.served.entry
    request_kind = content.kind
    if content.resource != (entry.group, entry.version, entry.plural):
        request_kind = (entry.group, entry.version, entry.kind)
    out: Json = {
        "uid": uid,
        "kind": _named(content.kind, "kind"),
        "resource": _named(content.resource, "resource"),
        "requestKind": _named(request_kind, "kind"),
        "requestResource": _named((entry.group, entry.version, entry.plural), "resource"),
        "operation": attempt.operation,
        "userInfo": user_info(attempt.request.user),
        "object": content.object,
        "oldObject": content.old,
        "dryRun": attempt.dry,
        "options": options_of(attempt),
    }
    if content.subresource:
        out["subResource"] = out["requestSubResource"] = content.subresource
    if content.name:
        out["name"] = content.name
    if attempt.namespace:
        out["namespace"] = attempt.namespace
    return out


def user_info(user: User) -> Json:
    out: Json = {"username": user.name}
    if user.uid:
        out["uid"] = user.uid
    if user.groups:
        out["groups"] = list(user.groups)
    if user.extra:
        out["extra"] = {key: list(values) for key, values in user.extra.items()}
    return out


def _named(triple: Triple, last: str) -> Json:
    group, version, name = triple
    return {"group": group, "version": version, last: name}


def verdict(answer: bytes, version: str, uid: str, *, mutating: bool) -> Verdict:
    """What the webhook says. Raises BadReview."""
    review = decoded(answer)
    response = review.get("response")
    if not isinstance(response, dict):
        raise BadReview("webhook response was absent")
    if version == "v1":
        _check_identity(review, response, uid)
    patch, patch_type = _patch(response, version, mutating=mutating)
    warnings = [str(each) for each in response.get("warnings") or ()]
    status = response.get("status")
    return Verdict(
        response.get("allowed") is True,
        status if isinstance(status, dict) else None,
        patch,
        patch_type,
        warnings,
        response.get("auditAnnotations"),
    )


def decoded(answer: bytes) -> Json:
    """Raises BadReview for what is no AdmissionReview at all."""
    try:
        review = msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadReview(f"couldn't get version/kind; json parse error: {error}") from None
    if not isinstance(review, dict):
        raise BadReview("couldn't get version/kind; json parse error: the answer is no object")
    if not review.get("kind"):
        raise BadReview(f"Object 'Kind' is missing in '{answer[:512].decode('utf-8', 'replace')}'")
    return review


def _check_identity(review: Json, response: Json, uid: str) -> None:
    if response.get("uid", "") != uid:
        raise BadReview(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
    group, _, version = str(review.get("apiVersion", "")).rpartition("/")
    got = f"{group}/{version}, Kind={review.get('kind', '')}"
    wanted = f"{GROUP}/v1, Kind=AdmissionReview"
    if got != wanted:
        raise BadReview(f"expected webhook response of {wanted}, got {got}")


def _patch(response: Json, version: str, *, mutating: bool) -> tuple[bytes, str]:
    patch, patch_type = _bytes(response.get("patch")), response.get("patchType")
    if version == "v1beta1":
        return (patch, patch_type or "JSONPatch") if mutating and patch else (b"", "")
    if not mutating:
        if patch:
            raise BadReview("validating webhook may not return response.patch")
        if patch_type is not None:
            raise BadReview("validating webhook may not return response.patchType")
        return b"", ""
    if patch and patch_type is None:
        raise BadReview("webhook returned response.patch but not response.patchType")
    if not patch and patch_type is not None:
        raise BadReview("webhook returned response.patchType but not response.patch")
    if patch_type == "":
        raise BadReview('webhook returned invalid response.patchType of ""')
    return patch, str(patch_type or "")


def _bytes(text: Any) -> bytes:
    if not text:
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise BadReview("response.patch: illegal base64 data") from None
