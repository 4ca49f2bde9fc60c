"""What is checked of policies and their bindings before they are stored; every expression has to compile."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from podling.api import cel, names
from podling.api.cel import CelType
from podling.api.cel.names import RESERVED
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.admissionregistration import expressions, ruletext
from podling.api.kinds.admissionregistration.mutationtext import as_maps
from podling.api.kinds.kind import Json

REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")
ACTIONS = ("Audit", "Deny", "Warn")
REINVOCATIONS = ("IfNeeded", "Never")
PATCHES = ("ApplyConfiguration", "JSONPatch")
NOT_FOUND = ("Allow", "Deny")
MOST_ANNOTATIONS = 20
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_NEITHER = "validations or auditAnnotations must contain at least one item"


class Known(NamedTuple):
    """What an expression may name, and the environments of all expressions of one policy."""

    variables: dict[str, CelType]
    environments: cel.Environments

    def plus(self, **more: CelType) -> Known:
        return self._replace(variables={**self.variables, **more})

    def without(self, prefix: str) -> Known:
        kept = {name: type_ for name, type_ in self.variables.items() if not name.startswith(prefix)}
        return self._replace(variables=kept)

    def program(self, expression: str, results: Sequence[str] = ()) -> cel.Program:
        """Raises CelSyntaxError."""
        return expressions.checked(expression, self.variables, results, self.environments)


def validate_policy(obj: Json) -> list[Cause]:
    """A ValidatingAdmissionPolicy. Raises Overlong."""
    ruletext.beside()
    spec = obj.get("spec") or {}
    found, known = _common(spec)
    types, wrong = _variables(spec, known)
    found += wrong
    known = known.plus(variables=cel.struct("Variables", types))
    validations, annotations = spec.get("validations") or [], spec.get("auditAnnotations") or []
    if not validations and not annotations:
        return [
            *found,
            causes.required("spec.validations", _NEITHER),
            causes.required("spec.auditAnnotations", _NEITHER),
        ]
    for index, each in enumerate(validations):
        found += _validation(f"spec.validations[{index}]", each, known)
    return found + _annotations(obj["metadata"].get("name") or "", annotations, known)


def validate_mutating_policy(obj: Json) -> list[Cause]:
    """Raises Overlong."""
    ruletext.beside()
    spec = obj.get("spec") or {}
    found, known = _common(spec)
    types, wrong = _variables(spec, known)
    found += wrong
    known = known.plus(variables=cel.struct("Variables", types))
    mutations = spec.get("mutations") or []
    if not mutations:
        found.append(causes.required("spec.mutations", "mutations must contain at least one item"))
    for index, each in enumerate(mutations):
        found += _mutation(f"spec.mutations[{index}]", each, known)
    return found + rules.required_one_of("spec.reinvocationPolicy", spec.get("reinvocationPolicy"), REINVOCATIONS)


def _common(spec: Json) -> tuple[list[Cause], Known]:
    found = rules.required_one_of("spec.failurePolicy", spec.get("failurePolicy"), ruletext.FAILURES)
    kind = spec.get("paramKind")
    if kind is not None:
        found += _param_kind("spec.paramKind", kind)
    constraints = spec.get("matchConstraints")
    if constraints is None:
        found.append(causes.required("spec.matchConstraints"))
    else:
        found += match_resources("spec.matchConstraints", constraints)
        if not constraints.get("resourceRules"):
            found.append(causes.required("spec.matchConstraints.resourceRules"))
    known = Known(expressions.environment(params=kind is not None), cel.Environments())

    def wrong(expression: str) -> str:
        return _wrong(expression, known, ("bool",))

    found += ruletext.match_conditions("spec.matchConditions", spec.get("matchConditions") or (), wrong)
    return found, known


def _param_kind(path: str, said: Json) -> list[Cause]:
    version, kind = said.get("apiVersion") or "", said.get("kind") or ""
    found: list[Cause] = []
    if not version:
        found.append(causes.required(f"{path}.apiVersion"))
    elif version.count("/") > 1:
        found.append(causes.invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}"))
    if not kind:
        found.append(causes.required(f"{path}.kind"))
    elif texts := names.dns_1035_label(kind.lower()):
        text = f"may have mixed case, but should otherwise match: {','.join(texts)}"
        found.append(causes.invalid(f"{path}.kind", kind, text))
    return found


def match_resources(path: str, said: Json) -> list[Cause]:
    found: list[Cause] = []
    if policy := said.get("matchPolicy"):
        found += rules.one_of(f"{path}.matchPolicy", policy, ruletext.POLICIES)
    found += ruletext.selectors(path, said)
    for key in ("resourceRules", "excludeResourceRules"):
        for index, each in enumerate(said.get(key) or ()):
            found += ruletext.rule(f"{path}.{key}[{index}]", each)
            found += _names(f"{path}.{key}[{index}].resourceNames", each.get("resourceNames") or [])
    return found


def _names(path: str, said: Sequence[str]) -> list[Cause]:
    found: list[Cause] = []
    for index, name in enumerate(said):
        found += rules.all_invalid(f"{path}[{index}]", name, names.path_segment(name))
        if name in said[:index]:
            found.append(causes.duplicate(f"{path}[{index}]", name))
    return found


def _variables(spec: Json, known: Known) -> tuple[dict[str, CelType], list[Cause]]:
    types: dict[str, CelType] = {}
    found: list[Cause] = []
    for index, each in enumerate(spec.get("variables") or ()):
        path, name, text = f"spec.variables[{index}]", each.get("name") or "", each.get("expression") or ""
        named = _IDENTIFIER.fullmatch(name) is not None and name not in RESERVED
        if not name:
            found.append(causes.required(f"{path}.name", "name is not specified"))
        elif not named:
            found.append(causes.invalid(f"{path}.name", name, "name is not a valid CEL identifier"))
        elif name in types:
            found.append(causes.duplicate(f"{path}.name", name))
        if not text.strip():
            found.append(causes.required(f"{path}.expression", "expression is not specified"))
            continue
        try:
            before = known.plus(variables=cel.struct("Variables", dict(types)))
            type_ = before.program(as_maps(text)).result
        except cel.CelSyntaxError as error:
            found.append(causes.invalid(f"{path}.expression", text, error.message))
            continue
        if named:
            types[name] = type_
    return types, found


def _wrong(expression: str, known: Known, results: Sequence[str]) -> str:
    try:
        known.program(expression, results)
    except cel.CelSyntaxError as error:
        return error.message
    return ""


def _validation(path: str, said: Json, known: Known) -> list[Cause]:
    text, message = (said.get("expression") or ""), said.get("message") or ""
    shown, found = said.get("messageExpression") or "", []
    if not text.strip():
        found.append(causes.required(f"{path}.expression", "expression is not specified"))
    elif error := _wrong(text.strip(), known, ("bool",)):
        found.append(causes.invalid(f"{path}.expression", text.strip(), error))
    if shown and not shown.strip():
        found.append(causes.invalid(f"{path}.messageExpression", shown, "must be non-empty if specified"))
    elif shown and (error := _wrong(shown, known.without("authorizer"), ("string",))):
        found.append(causes.invalid(f"{path}.messageExpression", shown, error))
    if message and not message.strip():
        found.append(causes.invalid(f"{path}.message", message, "message must be non-empty if specified"))
    elif "\n" in message.strip():
        found.append(causes.invalid(f"{path}.message", message, "message must not contain line breaks"))
    elif "\n" in text.strip() and not message and not shown:
        why = "message must be specified if expression contains line breaks"
        found.append(causes.required(f"{path}.message", why))
    if (reason := said.get("reason")) is not None:
        found += rules.one_of(f"{path}.reason", reason, REASONS)
    return found


def _annotations(policy: str, said: Sequence[Json], known: Known) -> list[Cause]:
    path, found = "spec.auditAnnotations", []
    if len(said) > MOST_ANNOTATIONS:
        text = f"must not have more than {MOST_ANNOTATIONS} auditAnnotations"
        found.append(causes.invalid(path, list(said), text))
    seen: dict[str, None] = {}
    for index, each in enumerate(said):
        key, text = each.get("key") or "", each.get("valueExpression") or ""
        if not key:
            found.append(causes.required(f"{path}[{index}].key"))
        else:
            wrong = names.qualified_name(f"{policy}/{key}")
            found += [causes.invalid(f"{path}[{index}].key", key, each) for each in wrong]
        if not text.strip():
            why = "valueExpression is not specified"
            found.append(causes.required(f"{path}[{index}].valueExpression", why))
        elif error := _wrong(text.strip(), known, ("string", "null")):
            found.append(causes.invalid(f"{path}[{index}].valueExpression", text.strip(), error))
        if key in seen:
            found.append(causes.duplicate(f"{path}[{index}].key", key))
        seen[key] = None
    return found


def _mutation(path: str, said: Json, known: Known) -> list[Cause]:
    kind = said.get("patchType")
    found = rules.required_one_of(f"{path}.patchType", kind, PATCHES)
    for wanted, field in (("ApplyConfiguration", "applyConfiguration"), ("JSONPatch", "jsonPatch")):
        given = said.get(field)
        if kind == wanted and given is None:
            found.append(causes.required(f"{path}.{field}", f"must be specified when patchType is {wanted}"))
        elif kind != wanted and given is not None:
            found.append(causes.invalid(f"{path}.{field}", given, f"must not be specified when patchType is {kind}"))
        elif given is not None:
            found += _mutating_text(f"{path}.{field}.expression", given.get("expression") or "", kind or "", known)
    return found


def _mutating_text(path: str, text: str, kind: str, known: Known) -> list[Cause]:
    if not text.strip():
        return [causes.required(path, "expression is not specified")]
    try:
        program = known.program(as_maps(text))
    except cel.CelSyntaxError as error:
        return [causes.invalid(path, text, error.message)]
    wanted, shown = ("list", "list(JSONPatch)") if kind == "JSONPatch" else ("map", "Object")
    if program.result.name not in (wanted, "dyn"):
        return [causes.invalid(path, text, f"must evaluate to {shown}")]
    return []


def validate_binding(obj: Json) -> list[Cause]:
    """Of either kind of policy."""
    spec = obj.get("spec") or {}
    found = rules.named("spec.policyName", spec.get("policyName") or "", names.path_segment)
    if (ref := spec.get("paramRef")) is not None:
        found += _param_ref("spec.paramRef", ref)
    if (resources := spec.get("matchResources")) is not None:
        found += match_resources("spec.matchResources", resources)
    if obj.get("kind") == "ValidatingAdmissionPolicyBinding":
        found += _actions("spec.validationActions", spec.get("validationActions") or [])
    return found


def _actions(path: str, said: Sequence[str]) -> list[Cause]:
    if not said:
        return [causes.required(path)]
    found: list[Cause] = []
    for index, action in enumerate(said):
        found += rules.one_of(f"{path}[{index}]", action, ACTIONS)
        if action in said[:index]:
            found.append(causes.duplicate(f"{path}[{index}]", action))
    if "Deny" in said and "Warn" in said:
        why = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the API "
            "response and headers serves no purpose)"
        )
        found.append(causes.invalid(path, sorted(said), why))
    return found


def _param_ref(path: str, said: Json) -> list[Cause]:
    name, selector = said.get("name") or "", said.get("selector")
    found: list[Cause] = []
    if name:
        found += rules.all_invalid(f"{path}.name", name, names.path_segment(name))
    if name and selector is not None:
        exclusive = "name and selector are mutually exclusive"
        found += [causes.forbidden(f"{path}.name", exclusive), causes.forbidden(f"{path}.selector", exclusive)]
    if selector is not None:
        found += rules.label_selector(f"{path}.selector", selector)
    if not name and selector is None:
        found.append(causes.required(path, "one of name or selector must be specified"))
    action = said.get("parameterNotFoundAction") or ""
    return found + rules.required_one_of(f"{path}.parameterNotFoundAction", action, NOT_FOUND)
