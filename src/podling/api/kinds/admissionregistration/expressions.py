"""The variables that expressions of policies and match conditions may name, with their types.

As upstream's admission environment: `object`, `oldObject` and `params` are of any type, `request` and
`namespaceObject` have the fields that are documented and no others, `variables` are those that the policy composes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from podling.api import cel
from podling.api.cel import DYN, STRING, CelType, list_of, map_of, struct

_TEXTS = list_of(STRING)
_KIND = struct("GroupVersionKind", {"group": STRING, "version": STRING, "kind": STRING})
_RESOURCE = struct("GroupVersionResource", {"group": STRING, "version": STRING, "resource": STRING})
_USER = struct(
    "UserInfo", {"username": STRING, "uid": STRING, "groups": _TEXTS, "extra": map_of(STRING, list_of(STRING))}
)
REQUEST = struct(
    "AdmissionRequest",
    {
        "kind": _KIND,
        "resource": _RESOURCE,
        "subResource": STRING,
        "requestKind": _KIND,
        "requestResource": _RESOURCE,
        "requestSubResource": STRING,
        "name": STRING,
        "namespace": STRING,
        "operation": STRING,
        "userInfo": _USER,
        "dryRun": cel.BOOL,
        "options": DYN,
    },
)
_METADATA = struct(
    "NamespaceMetadata",
    {
        "name": STRING,
        "generateName": STRING,
        "namespace": STRING,
        "labels": map_of(STRING, STRING),
        "annotations": map_of(STRING, STRING),
        "UID": STRING,
        "creationTimestamp": cel.TIMESTAMP,
        "deletionGracePeriodSeconds": cel.INT,
        "deletionTimestamp": cel.TIMESTAMP,
        "generation": cel.INT,
        "resourceVersion": STRING,
        "finalizers": _TEXTS,
    },
)
NAMESPACE = struct(
    "Namespace",
    {
        "metadata": _METADATA,
        "spec": struct("NamespaceSpec", {"finalizers": _TEXTS}),
        "status": struct("NamespaceStatus", {"phase": STRING}),
    },
)


def environment(
    *,
    params: bool = False,
    authorizer: bool = True,
    variables: Mapping[str, CelType] | None = None,
    object: CelType = DYN,
    param_type: CelType = DYN,
) -> dict[str, CelType]:
    """What an expression may name. `variables`: those composed before it, None where there can be none."""
    found: dict[str, CelType] = {
        "object": object,
        "oldObject": object,
        "request": REQUEST,
        "namespaceObject": NAMESPACE,
    }
    if params:
        found["params"] = param_type
    if authorizer:
        found |= {"authorizer": cel.AUTHORIZER, "authorizer.requestResource": cel.RESOURCE_CHECK}
    if variables is not None:
        found["variables"] = struct("Variables", dict(variables))
    return found


def checked(
    expression: str,
    known: Mapping[str, CelType],
    results: Sequence[str] = (),
    environments: cel.Environments | None = None,
) -> cel.Program:
    """Compiled. `results`: the types it may evaluate to, any where empty; `environments` are those of the expressions
    beside it, for to make one takes longer than to compile. Raises CelSyntaxError."""
    compiler = cel.Compiler(known) if environments is None else environments.over(known)
    program = compiler.compile(expression)
    if results and program.result.name not in (*results, "dyn"):
        one_of = f"one of {', '.join(results)}" if len(results) > 1 else results[0]
        raise cel.CelSyntaxError(f"must evaluate to {one_of}")
    return program
