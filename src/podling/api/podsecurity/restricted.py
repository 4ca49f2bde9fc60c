"""What the restricted standard demands besides the baseline, one function a control."""

from __future__ import annotations

from podling.api.podsecurity.baseline import seccomp
from podling.api.podsecurity.words import Finding, Json, containers, context, named, names, plural, quoted, setters

_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)


def privilege_escalation(metadata: Json, spec: Json) -> Finding | None:
    bad = names(spec, lambda container: context(container).get("allowPrivilegeEscalation") is not False)
    if not bad:
        return None
    detail = f"{named(bad)} must set securityContext.allowPrivilegeEscalation=false"
    return Finding("allowPrivilegeEscalation != false", detail)


def capabilities(metadata: Json, spec: Json) -> Finding | None:
    def given(container: Json, field: str) -> list[str]:
        return list((context(container).get("capabilities") or {}).get(field) or ())

    def added(container: Json) -> list[str]:
        return [each for each in given(container, "add") if each != "NET_BIND_SERVICE"]

    said = []
    if keeping := names(spec, lambda container: "ALL" not in given(container, "drop")):
        said.append(f'{named(keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding := names(spec, added):
        values = sorted({each for container in containers(spec) for each in added(container)})
        said.append(f"{named(adding)} must not include {quoted(values)} in securityContext.capabilities.add")
    return Finding("unrestricted capabilities", "; ".join(said)) if said else None


def volumes(metadata: Json, spec: Json) -> Finding | None:
    bad: dict[str, str] = {}
    for volume in spec.get("volumes") or ():
        sources = [name for name in volume if name != "name"]
        if not _VOLUMES.intersection(sources):
            bad[volume.get("name", "")] = sources[0] if sources else "unknown"
    if not bad:
        return None
    types = sorted(set(bad.values()))
    verb, what = plural(len(bad), "uses", "use"), plural(len(types), "restricted volume type")
    detail = f"{plural(len(bad), 'volume')} {quoted(bad)} {verb} {what} {quoted(types)}"
    return Finding("restricted volume types", detail)


def non_root(metadata: Json, spec: Json) -> Finding | None:
    reason = "runAsNonRoot != true"
    said = context(spec).get("runAsNonRoot")
    if who := setters(said is False, names(spec, lambda each: context(each).get("runAsNonRoot") is False)):
        return Finding(reason, f"{who} must not set securityContext.runAsNonRoot=false")
    silent = [] if said else names(spec, lambda each: context(each).get("runAsNonRoot") is None)
    if not silent:
        return None
    return Finding(reason, f"pod or {named(silent)} must set securityContext.runAsNonRoot=true")


def user(metadata: Json, spec: Json) -> Finding | None:
    def root(owner: Json) -> bool:
        return context(owner).get("runAsUser") == 0

    who = setters(root(spec), names(spec, root))
    return Finding("runAsUser=0", f"{who} must not set runAsUser=0") if who else None


def seccomp_profile(metadata: Json, spec: Json) -> Finding | None:
    if found := seccomp(metadata, spec):
        return found
    said = context(spec).get("seccompProfile") is not None
    silent = [] if said else names(spec, lambda each: context(each).get("seccompProfile") is None)
    if not silent:
        return None
    detail = f'pod or {named(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Finding("seccompProfile", detail)
