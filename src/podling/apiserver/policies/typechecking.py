"""Warnings about a policy whose expressions do not fit the types it matches, in its status from the first moment.

A policy is stored where its expressions compile for objects of any type; whether `object.spec.replica` exists depends
on what is matched, and what is matched may change, so these findings are no errors (KEP-3488, "Type Checking").
Upstream's controller writes them a little later; here they are part of the write, and the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from podling.api import cel
from podling.api.cel import DYN, CelSyntaxError, CelType
from podling.api.cel.names import escape
from podling.api.kinds.admissionregistration.expressions import environment
from podling.api.kinds.admissionregistration.policyrules import Known
from podling.api.schema import Type
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.policies.params import Params
from podling.apiserver.registry.served import Resources, Served
from podling.apiserver.webhooks.matching import GROUP
from podling.env import Env

Json = dict[str, Any]
MOST_TYPES = 10
_WORD = re.compile(r"[A-Za-z_]\w*")
_SCALARS: Mapping[str, CelType] = {
    "string": cel.STRING,
    "bool": cel.BOOL,
    "int32": cel.INT,
    "int64": cel.INT,
    "float64": cel.DOUBLE,
    "bytes": cel.BYTES,
    "time": cel.TIMESTAMP,
    "microtime": cel.TIMESTAMP,
    "duration": cel.STRING,
}


class TypeChecking:
    operations = ("CREATE", "UPDATE")
    kinds = ((GROUP, "ValidatingAdmissionPolicy"),)

    def __init__(self, env: Env, resources: Resources, params: Params) -> None:
        self._env, self._resources, self._params = env, resources, params

    async def validate(self, attempt: Attempt) -> None:
        """Behind validation, for only what compiles can be looked at; the status is nobody else's."""
        policy = attempt.obj
        status, generation = policy.get("status") or {}, policy["metadata"].get("generation", 0)
        if status.get("observedGeneration") == generation:
            return
        warnings = await self._env.in_thread(self._warnings, policy.get("spec") or {})
        found = {"expressionWarnings": warnings} if warnings else {}
        policy["status"] = {**status, "observedGeneration": generation, "typeChecking": found}

    def _warnings(self, spec: Json) -> list[Json]:
        """In a thread: each kind that is matched is a set of environments, and those take a while to make."""
        known = list(self._environments(spec))
        found: list[Json] = []
        for index, each in enumerate(spec.get("validations") or ()):
            for field in ("expression", "messageExpression"):
                text = (each.get(field) or "").strip()
                findings = [f"{kind}: {why}\n" for kind, names in known if (why := _wrong(text, field, names))]
                if text and findings:
                    found.append({"fieldRef": f"spec.validations[{index}].{field}", "warning": "\n".join(findings)})
        return found

    def _environments(self, spec: Json) -> Iterator[tuple[str, Known]]:
        """The kinds that a policy surely matches, each with what expressions may name."""
        words = mentioned(spec)
        params = self._params.served(spec["paramKind"]) if spec.get("paramKind") else None
        param_type = DYN if params is None or params.type is None else cel_type(params.type, words)
        for served in self._matched(spec)[:MOST_TYPES]:
            if served.type is None:
                continue
            object_type = cel_type(served.type, words)
            variables = environment(params=bool(spec.get("paramKind")), object=object_type, param_type=param_type)
            known = Known(variables, cel.Environments())
            types = _variables(spec.get("variables") or (), known)
            entry = served.entry
            version = entry.api_version if entry.group else f"/{entry.version}"
            yield f"{version}, Kind={entry.kind}", known.plus(variables=cel.struct("Variables", types))

    def _matched(self, spec: Json) -> Sequence[Served]:
        """Of the rules without wildcards and subresources."""
        found: dict[tuple[str, str, str], Served] = {}
        for rule in (spec.get("matchConstraints") or {}).get("resourceRules") or ():
            for group in _plain(rule.get("apiGroups")):
                for version in _plain(rule.get("apiVersions")):
                    for plural in _plain(rule.get("resources")):
                        if (served := self._resources.find(group, version, plural)) is not None:
                            found[group, version, served.entry.kind] = served
        return [found[key] for key in sorted(found)]


def _plain(values: Sequence[str] | None) -> list[str]:
    return [each for each in values or () if "*" not in each and "/" not in each]


def _variables(said: Sequence[Mapping[str, Any]], known: Known) -> dict[str, CelType]:
    """Their types; of any type where one does not compile, for the expression that names it is what is warned of."""
    types: dict[str, CelType] = {}
    for each in said:
        before = known.plus(variables=cel.struct("Variables", dict(types)))
        try:
            types[each["name"]] = before.program(each["expression"]).result
        except CelSyntaxError:
            types[each["name"]] = DYN
    return types


def _wrong(text: str, field: str, known: Known) -> str:
    try:
        if text:
            known.program(text, ("bool",) if field == "expression" else ("string",))
    except CelSyntaxError as error:
        return error.message.removeprefix("compilation failed: ")
    return ""


def mentioned(spec: Json) -> frozenset[str]:
    """Every word of every expression: fields that none of them names need no declaration."""
    texts = [each.get("expression", "") for each in spec.get("variables") or ()]
    for each in spec.get("validations") or ():
        texts += [each.get("expression") or "", each.get("messageExpression") or ""]
    return frozenset(word for text in texts for word in _WORD.findall(text))


def cel_type(type_: Type, words: frozenset[str], within: tuple[Type, ...] = ()) -> CelType:
    """The type of an object as expressions see it, of those fields that are among `words`."""
    if type_.open or type_ in within:
        return DYN
    if type_.shape == "struct":
        named = ((escape(name), field.type) for name, field in type_.fields.items())
        inner = (*within, type_)
        fields = {name: cel_type(field, words, inner) for name, field in named if name is not None and name in words}
        return cel.struct("Object", fields)
    if type_.shape in ("list", "map"):
        element = DYN if type_.element is None else cel_type(type_.element, words, within)
        return cel.list_of(element) if type_.shape == "list" else cel.map_of(cel.STRING, element)
    return _SCALARS.get(type_.shape, DYN)
