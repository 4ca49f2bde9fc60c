"""The operations of a resource as OpenAPI paths, version 2 and 3.

kubectl reads from them which kind a resource has (`explain`), whether PATCH takes `fieldValidation` and `dryRun`
(`create`, `apply`), and which patches a kind supports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from podling.api.schema.openapi.definitions import Version
from podling.api.schema.openapi.served import ServedResource, ServedSubresource

Ref = Callable[[str, str, str], dict[str, Any]]
"""(group, version, kind) → a reference to its schema."""

LIST: Final = (
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
)
WRITE: Final = (("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"))
DELETE: Final = (
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
)
PATCHES: Final = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
ANSWERS: Final = ("application/json", "application/yaml")
# verb → (HTTP method, x-kubernetes-action, parameters)
VERBS: Final[dict[str, tuple[str, str, tuple[tuple[str, str], ...]]]] = {
    "list": ("get", "list", LIST),
    "create": ("post", "post", WRITE),
    "deletecollection": ("delete", "deletecollection", DELETE + LIST[1:7]),
    "get": ("get", "get", ()),
    "update": ("put", "put", WRITE),
    "patch": ("patch", "patch", (*WRITE, ("force", "boolean"))),
    "delete": ("delete", "delete", DELETE),
}
WORDS: Final = {
    "list": "list",
    "create": "create",
    "deletecollection": "deleteCollection",
    "get": "read",
    "update": "replace",
    "patch": "patch",
    "delete": "delete",
}


class Paths:
    """Builds the path items of a document."""

    def __init__(self, version: Version, ref: Ref, patch: dict[str, Any]) -> None:
        """`ref` refers to the schema of a kind, `patch` is the reference to the Patch model."""
        self._version, self._ref, self._patch = version, ref, patch

    def of(self, resource: ServedResource) -> dict[str, Any]:
        """All paths of a resource and its subresources."""
        root = f"/{resource.prefix}"
        where = f"{root}/namespaces/{{namespace}}" if resource.namespaced else root
        named = f"{where}/{resource.plural}/{{name}}"
        whole = ServedSubresource("", resource.group, resource.version, resource.kind, resource.verbs)
        out: dict[str, Any] = {}
        self._item(out, f"{where}/{resource.plural}", resource, whole, ("list", "create", "deletecollection"))
        self._item(out, named, resource, whole, ("get", "update", "patch", "delete"))
        for sub in resource.subresources:
            self._item(out, f"{named}/{sub.name}", resource, sub, ("get", "create", "update", "patch", "delete"))
        if resource.namespaced:
            self._item(out, f"{root}/{resource.plural}", resource, whole, ("list",), everywhere=True)
        return out

    def _item(
        self,
        out: dict[str, Any],
        path: str,
        resource: ServedResource,
        what: ServedSubresource,
        verbs: Iterable[str],
        *,
        everywhere: bool = False,
    ) -> None:
        operations = {}
        for verb in verbs:
            if verb in what.verbs:
                method, _, _ = VERBS[verb]
                operations[method] = self._operation(verb, resource, what, everywhere=everywhere)
        if not operations:
            return
        names = [name for name in ("name", "namespace") if f"{{{name}}}" in path]
        parameters = [self._parameter(name, "string", "path") for name in names]
        out[path] = operations | {"parameters": [*parameters, self._parameter("pretty", "string")]}

    def _operation(
        self, verb: str, resource: ServedResource, what: ServedSubresource, *, everywhere: bool
    ) -> dict[str, Any]:
        _, action, parameters = VERBS[verb]
        kind = self._ref(what.group, what.version, what.kind)
        answer = kind
        if verb == "list":
            answer = self._ref(what.group, what.version, f"{what.kind}List")
        elif verb in ("delete", "deletecollection"):
            answer = self._ref("", "v1", "Status")
        out = {
            "operationId": operation_id(verb, resource, what, everywhere=everywhere),
            "tags": [camel(resource.group or "core", resource.version, lower=True)],
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": {"group": what.group, "kind": what.kind, "version": what.version},
        }
        query = [self._parameter(name, type_) for name, type_ in parameters]
        body: dict[str, Any] | None = None
        if verb in ("create", "update"):
            body = kind
        elif verb == "patch":
            body = self._patch
        elif verb in ("delete", "deletecollection"):
            body = self._ref("meta", "v1", "DeleteOptions")
        codes = {"create": ("200", "201", "202"), "update": ("200", "201"), "patch": ("200", "201")}
        shape = self._v3 if self._version == 3 else self._v2
        return out | shape(verb, query, body, answer, codes.get(verb, ("200",)))

    def _v3(
        self, verb: str, query: list[Any], body: dict[str, Any] | None, answer: dict[str, Any], codes: Iterable[str]
    ) -> dict[str, Any]:
        content = {media: {"schema": answer} for media in ANSWERS}
        said = {"content": content, "description": "OK"}
        out: dict[str, Any] = {"parameters": query, "responses": dict.fromkeys(codes, said)}
        if body is not None:
            media = PATCHES if verb == "patch" else ("*/*",)
            out["requestBody"] = {
                "content": {one: {"schema": body} for one in media},
                "required": "delete" not in verb,
            }
        return out

    def _v2(
        self, verb: str, query: list[Any], body: dict[str, Any] | None, answer: dict[str, Any], codes: Iterable[str]
    ) -> dict[str, Any]:
        parameters = query
        if body is not None:
            first = {"in": "body", "name": "body", "schema": body}
            parameters = [first if "delete" in verb else first | {"required": True}, *query]
        said = {"description": "OK", "schema": answer}
        return {
            "consumes": list(PATCHES) if verb == "patch" else ["*/*"],
            "produces": list(ANSWERS),
            "schemes": ["https"],
            "parameters": parameters,
            "responses": dict.fromkeys(codes, said),
        }

    def _parameter(self, name: str, type_: str, where: str = "query") -> dict[str, Any]:
        out: dict[str, Any] = {"in": where, "name": name}
        if where == "path":
            out["required"] = True
        if self._version == 3:
            return out | {"schema": {"type": type_, "uniqueItems": True}}
        return out | {"type": type_, "uniqueItems": True}


def camel(group: str, version: str, *, lower: bool = False) -> str:
    """`rbac.authorization.k8s.io`, `v1` → `RbacAuthorizationV1`, lower: `rbacAuthorization_v1`."""
    words = group.removesuffix(".k8s.io").split(".")
    name = "".join(word[:1].upper() + word[1:] for word in words)
    if lower:
        return f"{name[:1].lower()}{name[1:]}_{version}"
    return name + version[:1].upper() + version[1:]


def operation_id(verb: str, resource: ServedResource, what: ServedSubresource, *, everywhere: bool) -> str:
    """`createAppsV1NamespacedReplicaSet`, `readCoreV1NamespacedPodStatus`."""
    scope = "Namespaced" if resource.namespaced and not everywhere else ""
    tail = "".join(word[:1].upper() + word[1:] for word in what.name.split("/"))
    tail += "ForAllNamespaces" * everywhere
    return f"{WORDS[verb]}{camel(resource.group or 'core', resource.version)}{scope}{resource.kind}{tail}"
