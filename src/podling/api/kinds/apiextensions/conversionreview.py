"""ConversionReview: what a conversion webhook is asked, and what its answer has to be (apiextensions.k8s.io/v1).

Everything about metadata but labels and annotations is the server's: it is given back as it was, whatever the webhook
made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

Json = dict[str, Any]
GROUP: Final = "apiextensions.k8s.io"
KNOWN: Final = ("v1", "v1beta1")
KEPT: Final = (("name", "name"), ("namespace", "namespace"), ("uid", "UID"))


class BadConversion(ValueError):
    """The webhook's answer is none, or says no; the message is upstream's."""


def question(uid: str, objects: Sequence[Json], wanted: str, versions: Sequence[str]) -> Json:
    """`wanted`: the apiVersion to convert to; `versions`: the conversionReviewVersions of the CRD. Raises
    BadConversion where none of them is known."""
    spoken = next((each for each in versions if each in KNOWN), None)
    if spoken is None:
        raise BadConversion(f"webhook does not accept known ConversionReview versions ({', '.join(KNOWN)})")
    request = {"uid": uid, "desiredAPIVersion": wanted, "objects": list(objects)}
    return {"kind": "ConversionReview", "apiVersion": f"{GROUP}/{spoken}", "request": request}


def answered(asked: Json, answer: bytes) -> list[Json]:
    """The converted objects, in order, each with the metadata it had. Raises BadConversion."""
    response = _response(asked, answer)
    request = asked["request"]
    about = named(request["objects"][0])
    converted = response.get("convertedObjects") or []
    if len(converted) != len(request["objects"]):
        text = f"returned {len(converted)} objects, expected {len(request['objects'])}"
        raise BadConversion(f"conversion webhook for {about} {text}")
    places = _ONE if len(converted) == 1 else _MANY
    for index, (old, new) in enumerate(zip(request["objects"], converted, strict=True)):
        if found := _wrong(old, new, request["desiredAPIVersion"]):
            what, why = found
            place = places[what].format(index)
            raise BadConversion(f"conversion webhook for {about} returned invalid {place}: {why}")
    return list(converted)


_ONE: Final = {"type": "object at index 0", "object": "object", "metadata": "metadata"}
_MANY: Final = {
    "type": "converted object at index {}",
    "object": "converted object at index {}",
    "metadata": "metadata in object at index {}",
}


def _response(asked: Json, answer: bytes) -> Json:
    about = f"conversion webhook for {named(asked['request']['objects'][0])} failed"
    try:
        review = orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise BadConversion(f"{about}: {error}") from None
    said = (review.get("apiVersion"), review.get("kind")) if isinstance(review, dict) else ("", "")
    if said != (asked["apiVersion"], "ConversionReview"):
        text = (
            f"expected webhook response of {asked['apiVersion']}, Kind=ConversionReview, got {said[0]}, Kind={said[1]}"
        )
        raise BadConversion(f"{about}: {text}")
    response = review.get("response")
    if not isinstance(response, dict):
        raise BadConversion(f"{about}: no response provided")
    if response.get("uid") != asked["request"]["uid"]:
        text = f'expected response.uid="{asked["request"]["uid"]}", got "{response.get("uid") or ""}"'
        raise BadConversion(f"{about}: {text}")
    result = response.get("result") or {}
    if result.get("status") != "Success":
        text = result.get("message") or f"response.result.status was '{result.get('status') or ''}', not 'Success'"
        raise BadConversion(f"{about}: {text}")
    return response


def _wrong(old: Json, new: Any, wanted: str) -> tuple[str, str] | None:
    """What about a converted object is wrong (its type, the object, its metadata), and why."""
    if not isinstance(new, dict):
        return "type", "it is no object"
    if new.get("apiVersion") != wanted:
        return "type", f"invalid groupVersion (expected {wanted}, received {new.get('apiVersion') or ''})"
    if new.get("kind") != old.get("kind"):
        return "type", f"invalid kind (expected {old.get('kind')}, received {new.get('kind') or ''})"
    metadata = new.get("metadata")
    if metadata is None:
        return "metadata", "missing metadata in converted object"
    if not isinstance(metadata, dict):
        return "metadata", "invalid metadata in converted object"
    for name, shown in KEPT:
        said, had = metadata.get(name) or "", old["metadata"].get(name) or ""
        if said != had:
            return "object", f"must have the same {shown}: {had} != {said}"
    for name in ("labels", "annotations"):
        texts = metadata.get(name) or {}
        if not isinstance(texts, dict):
            return "metadata", f"invalid metadata.{name} in converted object"
        for key, value in texts.items():
            if not isinstance(value, str):
                return "metadata", f"metadata.{name}[{key}] must be a string in converted object"
    return None


def with_metadata(converted: Json, old: Json) -> Json:
    """The converted object under the metadata of the one it was made of; labels and annotations are the webhook's."""
    metadata = {key: value for key, value in old["metadata"].items() if key not in ("labels", "annotations")}
    for key in ("labels", "annotations"):
        if converted["metadata"].get(key):
            metadata[key] = converted["metadata"][key]
    rest = {key: value for key, value in converted.items() if key not in ("kind", "apiVersion", "metadata")}
    return {"kind": converted["kind"], "apiVersion": converted["apiVersion"], "metadata": metadata, **rest}


def named(obj: Json) -> str:
    """`stable.example.com/v1, Kind=CronTab`."""
    return f"{obj.get('apiVersion')}, Kind={obj.get('kind')}"
