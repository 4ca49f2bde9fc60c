"""To which flow schema and priority level a request belongs; its answer says so in two headers.

Nothing waits by it: reads are answered from memory, and writes are bounded elsewhere (`filters/inflight.py`). A user's
requests for the same thing belong together, so the answer is looked up once and remembered until a schema changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from podling.api.objects import Event, prefix_of
from podling.apiserver.flowcontrol.objects import GROUP, LEVEL, SCHEMA
from podling.apiserver.message import Request, User
from podling.apiserver.routing import Target
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]
USERS, TARGETS = 1024, 1024
"""So much is remembered; beyond that everything is forgotten."""
_ACCOUNT = "system:serviceaccount:"


class Schema(NamedTuple):
    precedence: int
    name: str
    rules: list[Json]
    headers: str
    """The lines that answers get."""


class _Known:
    """What is known of a user's requests: the headers by the identity of the target, which is kept so that it lives."""

    def __init__(self, groups: tuple[str, ...]) -> None:
        self.groups = groups
        self.targets: dict[int, tuple[Target, str]] = {}


class FlowControl:
    """A filter."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self._schemas: list[Schema] = []
        self._known: dict[str, _Known] = {}
        for plural in (SCHEMA, LEVEL):
            cache.follow(prefix_of(GROUP, plural), self._changed)
        self._stale = True

    def enter(self, request: Request) -> None:
        if request.in_process:
            return
        if self._stale:
            self._load()
        user, target = request.user, request.target
        if target is None:
            request.flow = self._headers(user, request)
            return
        known = self._known.get(user.name)
        if known is None or known.groups != user.groups:
            known = self._remember(user)
        found = known.targets.get(id(target))
        if found is None or found[0] is not target:
            if len(known.targets) >= TARGETS:
                known.targets.clear()
            found = known.targets[id(target)] = (target, self._headers(user, request))
        request.flow = found[1]

    def _remember(self, user: User) -> _Known:
        if len(self._known) >= USERS:
            self._known.clear()
        known = self._known[user.name] = _Known(user.groups)
        return known

    def _headers(self, user: User, request: Request) -> str:
        return next((each.headers for each in self._schemas if matches(each.rules, user, request)), "")

    def _changed(self, event: Event) -> None:
        before = event.previous
        if event.type != "MODIFIED" or before is None or _spec(before.json()) != _spec(event.object.json()):
            self._stale = True

    def _load(self) -> None:
        self._stale = False
        levels = {obj.head.name: obj.head.uid for obj in self._cache.list(prefix_of(GROUP, LEVEL))}
        self._schemas = sorted(self._found(levels), key=lambda each: each[:2])
        self._known.clear()

    def _found(self, levels: dict[str, str]) -> Iterator[Schema]:
        for obj in self._cache.list(prefix_of(GROUP, SCHEMA)):
            spec = obj.json().get("spec") or {}
            level = levels.get((spec.get("priorityLevelConfiguration") or {}).get("name", ""))
            if level is not None:
                schema = f"X-Kubernetes-Pf-Flowschema-Uid: {obj.head.uid}\r\n"
                lines = f"{schema}X-Kubernetes-Pf-Prioritylevel-Uid: {level}\r\n"
                yield Schema(spec.get("matchingPrecedence", 1000), obj.head.name, spec.get("rules") or [], lines)


def _spec(obj: Json) -> Any:
    return obj.get("spec")


def matches(rules: list[Json], user: User, request: Request) -> bool:
    return any(_whom(rule, user) and _what(rule, request) for rule in rules)


def _whom(rule: Json, user: User) -> bool:
    return any(_is(subject, user) for subject in rule.get("subjects") or ())


def _is(subject: Json, user: User) -> bool:
    match subject.get("kind"):
        case "User":
            return (subject.get("user") or {}).get("name") in ("*", user.name)
        case "Group":
            name = (subject.get("group") or {}).get("name")
            return name == "*" or name in user.groups
    account = subject.get("serviceAccount") or {}
    namespace, colon, name = user.name.removeprefix(_ACCOUNT).partition(":")
    if not colon or not user.name.startswith(_ACCOUNT) or account.get("namespace") != namespace:
        return False
    return account.get("name") in ("*", name)


def _what(rule: Json, request: Request) -> bool:
    target = request.target
    if target is None:
        verb = request.method.lower()
        return any(_url(each, verb, request.path) for each in rule.get("nonResourceRules") or ())
    return any(_resource(each, target) for each in rule.get("resourceRules") or ())


def _url(rule: Json, verb: str, path: str) -> bool:
    if not _among(rule.get("verbs"), verb):
        return False
    urls = rule.get("nonResourceURLs") or ()
    return any(url in ("*", path) or (url.endswith("/*") and path.startswith(url[:-1])) for url in urls)


def _resource(rule: Json, target: Target) -> bool:
    combined = f"{target.plural}/{target.subresource}" if target.subresource else target.plural
    about = _among(rule.get("apiGroups"), target.group) and _among(rule.get("resources"), combined)
    if not about or not _among(rule.get("verbs"), target.verb):
        return False
    if not target.namespace:
        return bool(rule.get("clusterScope"))
    return _among(rule.get("namespaces"), target.namespace)


def _among(given: Any, value: str) -> bool:
    return value in (given or ()) or "*" in (given or ())
