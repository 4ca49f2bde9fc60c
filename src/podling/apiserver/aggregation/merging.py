"""Discovery of both, ours and theirs, in one document. Pure: documents in, documents out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from podling.apiserver.aggregation.priorities import group_priority
from podling.apiserver.aggregation.services import Remote

Json = dict[str, Any]


class Known(NamedTuple):
    """What is known of a remote group version. `version`: its entry of an aggregated document; None: never heard."""

    remote: Remote
    version: Json | None
    fresh: bool


def version_entry(known: Known) -> Json:
    """As it stands in aggregated discovery; stale where the server does not answer."""
    said = known.version or {"version": known.remote.version}
    return {**said, "version": known.remote.version, "freshness": "Current" if known.fresh else "Stale"}


def aggregated(local: Json, remote: Sequence[Known]) -> Json:
    """An APIGroupDiscoveryList with the remote versions in it."""
    groups = {item["metadata"].get("name", ""): item for item in local.get("items") or ()}
    for group, known in _by_group(remote).items():
        item = groups.get(group) or {"metadata": {"name": group, "creationTimestamp": None}, "versions": []}
        names = [each.remote.version for each in known]
        others = [each for each in item["versions"] if each["version"] not in names]
        groups[group] = {**item, "versions": [*(version_entry(each) for each in known), *others]}
    items = sorted(groups.items(), key=lambda each: -_priority(each[0], remote))
    return {**local, "items": [item for _, item in items]}


def group_list(local: Json, remote: Sequence[Known]) -> Json:
    """An APIGroupList with the remote groups in it."""
    groups = {each["name"]: each for each in local.get("groups") or ()}
    for group, known in _by_group(remote).items():
        groups[group] = group_of(groups.get(group), group, known)
    found = sorted(groups.items(), key=lambda each: -_priority(each[0], remote))
    return {**local, "groups": [each for _, each in found]}


def group_of(local: Mapping[str, Any] | None, group: str, remote: Sequence[Known]) -> Json:
    """The remote versions before the local ones, the one of the highest priority preferred."""
    known = [each for each in remote if each.remote.group == group]
    listed = [{"groupVersion": f"{group}/{each.remote.version}", "version": each.remote.version} for each in known]
    names = [each["version"] for each in listed]
    listed += [each for each in (local or {}).get("versions") or () if each["version"] not in names]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def openapi_index(local: Json, paths: Mapping[str, Json]) -> Json:
    """The index of OpenAPI v3; `paths` are those of the remote versions, e.g. `apis/metrics.k8s.io/v1beta1`."""
    return {**local, "paths": {**(local.get("paths") or {}), **paths}}


def from_aggregated(document: Json, remote: Remote) -> Json | None:
    """A version's entry out of another server's aggregated discovery."""
    for item in document.get("items") or ():
        if (item.get("metadata") or {}).get("name") == remote.group:
            for version in item.get("versions") or ():
                if version.get("version") == remote.version:
                    found: Json = version
                    return found
    return None


def from_resources(document: Json, remote: Remote) -> Json:
    """The same out of an APIResourceList, as servers gave before there were aggregated documents."""
    resources: dict[str, Json] = {}
    for each in document.get("resources") or ():
        name, _, subresource = each.get("name", "").partition("/")
        kind = {
            "group": each.get("group") or remote.group,
            "version": each.get("version") or remote.version,
            "kind": each.get("kind", ""),
        }
        if subresource:
            sub = {"subresource": subresource, "responseKind": kind, "verbs": each.get("verbs") or []}
            resources.setdefault(name, _bare(name, remote)).setdefault("subresources", []).append(sub)
            continue
        entry = {
            "resource": name,
            "responseKind": kind,
            "scope": "Namespaced" if each.get("namespaced") else "Cluster",
            "singularResource": each.get("singularName") or "",
            "verbs": each.get("verbs") or [],
        }
        for key in ("shortNames", "categories"):
            if each.get(key):
                entry[key] = each[key]
        if (before := resources.get(name)) is not None and "subresources" in before:
            entry["subresources"] = before["subresources"]
        resources[name] = entry
    return {"version": remote.version, "resources": list(resources.values())}


def _bare(name: str, remote: Remote) -> Json:
    """A subresource without its resource: the resource has no verbs of its own."""
    return {"resource": name, "scope": "Namespaced", "verbs": [], "singularResource": ""}


def _by_group(remote: Iterable[Known]) -> dict[str, list[Known]]:
    found: dict[str, list[Known]] = {}
    for each in sorted(remote, key=lambda each: (-each.remote.version_priority, each.remote.version)):
        found.setdefault(each.remote.group, []).append(each)
    return found


def _priority(group: str, remote: Sequence[Known]) -> int:
    return max([group_priority(group), *(each.remote.group_priority for each in remote if each.remote.group == group)])
