"""Validating and mutating admission policies, as their users write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import pytest

from podling.env import SystemEnv
from tests.apiserver.serving import DEFAULT, Api, serving
from tests.apiserver.webhookserver import allow, patched, webhook

Json = dict[str, Any]
P, T = ParamSpec("P"), TypeVar("T")
MAPS = f"{DEFAULT}/configmaps"
GROUP = "/apis/admissionregistration.k8s.io/v1"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def rules(*resources: str, group: str = "", version: str = "v1", operations: tuple[str, ...] = ("CREATE",)) -> Json:
    rule = {"apiGroups": [group], "apiVersions": [version], "operations": [*operations], "resources": [*resources]}
    return {"resourceRules": [rule]}


def policy(name: str, *validations: Json, **spec: Any) -> Json:
    constraints = spec.pop("matchConstraints", rules("configmaps"))
    return {
        "metadata": {"name": name},
        "spec": {"matchConstraints": constraints, "validations": [*validations], **spec},
    }


async def install(api: Api, body: Json, actions: tuple[str, ...] = ("Deny",), **binding: Any) -> None:
    await api.make(f"{GROUP}/validatingadmissionpolicies", body)
    await bind(api, body["metadata"]["name"], actions, **binding)


async def bind(api: Api, name: str, actions: tuple[str, ...] = ("Deny",), binding: str = "b", **spec: Any) -> None:
    body = {"metadata": {"name": binding}, "spec": {"policyName": name, "validationActions": [*actions], **spec}}
    await api.make(f"{GROUP}/validatingadmissionpolicybindings", body)


async def refusal(api: Api, path: str, body: Json) -> tuple[int, str, str]:
    answer = await api.http.post(path, json=body)
    assert answer.status_code >= 400, answer.text
    said = answer.json()
    return answer.status_code, said["reason"], said["message"]


def map_of(name: str = "a", data: Json | None = None, **metadata: Any) -> Json:
    return {"metadata": {"name": name, **metadata}, "data": data or {}}


async def test_a_policy_denies_what_its_expression_does_not_hold_for() -> None:
    async with serving() as api:
        await install(api, policy("p", {"expression": "size(object.data) > 0"}))
        said = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: size(object.data) > 0"
        answer = await api.http.post(MAPS, json=map_of(data={"x": "y"}))
        assert answer.status_code == 201
        code, reason, message = await refusal(api, MAPS, {"metadata": {"name": "b"}, "data": {}})
        assert (code, reason) == (422, "Invalid")
        error = "expression 'size(object.data) > 0' resulted in error: no such key: data"
        assert message == f'configmaps "b" is forbidden: {said.partition(": ")[0]}: {error}'


async def test_message_reason_and_message_expression_are_told() -> None:
    async with serving() as api:
        checks = (
            {"expression": "object.metadata.name != 'a'", "message": "no a", "reason": "Forbidden"},
            {
                "expression": "!object.metadata.name.startsWith('b')",
                "messageExpression": "'not ' + object.metadata.name",
            },
        )
        await install(api, policy("p", *checks))
        start = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request:"
        assert await refusal(api, MAPS, map_of("a")) == (403, "Forbidden", f'configmaps "a" is forbidden: {start} no a')
        wanted = (422, "Invalid", f'configmaps "bc" is forbidden: {start} not bc')
        assert await refusal(api, MAPS, map_of("bc")) == wanted
        await api.config_map("c")


async def test_warnings_are_given_instead_where_the_binding_says_so() -> None:
    async with serving() as api:
        await install(api, policy("p", {"expression": "false", "message": "mind"}), ("Warn", "Audit"))
        answer = await api.http.post(MAPS, json=map_of())
        assert answer.status_code == 201
        said = "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': mind"
        assert answer.headers["warning"] == f'299 - "{said}"'


async def test_variables_request_namespace_and_authorizer_can_be_named() -> None:
    expressions = (
        "variables.both == 'default/a'",
        "request.operation == 'CREATE' && request.resource.resource == 'configmaps' && request.namespace == 'default'",
        "request.userInfo.username == 'kubernetes-admin' && 'system:masters' in request.userInfo.groups",
        "namespaceObject.metadata.name == 'default' && namespaceObject.status.phase == 'Active'",
        "oldObject == null && !has(request.subResource) && !request.dryRun",
        "authorizer.group('').resource('pods').namespace('default').check('delete').allowed()",
        "authorizer.requestResource.check('create').allowed()",
        "!authorizer.serviceAccount('default', 'x').group('').resource('pods').check('get').allowed()",
    )
    variables = [
        {"name": "space", "expression": "object.metadata.namespace"},
        {"name": "both", "expression": "variables.space + '/' + object.metadata.name"},
    ]
    async with serving() as api:
        await install(api, policy("p", *({"expression": each} for each in expressions), variables=variables))
        await api.config_map("a")


async def test_match_conditions_and_selectors_choose_and_failure_policy_decides() -> None:
    async with serving() as api:
        conditions = [{"name": "not-free", "expression": "!object.metadata.name.startsWith('free')"}]
        await install(api, policy("p", {"expression": "false"}, matchConditions=conditions))
        await api.config_map("free")
        assert (await refusal(api, MAPS, map_of("bound")))[0] == 422
        assert (await api.http.delete(f"{GROUP}/validatingadmissionpolicybindings/b")).status_code == 200
        await api.config_map("bound")
        selector = {"objectSelector": {"matchLabels": {"strict": "yes"}}}
        await bind(api, "p", matchResources=selector)
        await api.config_map("loose")
        assert (await refusal(api, MAPS, map_of("x", labels={"strict": "yes"})))[0] == 422
        await install(api, policy("q", {"expression": "object.nothing == 1"}, failurePolicy="Ignore"), binding="c")
        await api.config_map("y")
        conditions = [{"name": "broken", "expression": "object.nothing == 1"}]
        await install(api, policy("r", {"expression": "true"}, matchConditions=conditions), binding="d")
        said = "ValidatingAdmissionPolicy 'r' with binding 'd' denied request: "
        why = "expression 'object.nothing == 1' resulted in error: no such key: nothing"
        assert (await refusal(api, MAPS, map_of("z")))[2] == f'configmaps "z" is forbidden: {said}{why}'


async def test_excluded_resources_names_and_deletions() -> None:
    async with serving() as api:
        constraints = rules("configmaps", operations=("DELETE", "UPDATE"))
        constraints["excludeResourceRules"] = [
            {**rules("configmaps", operations=("*",))["resourceRules"][0], "resourceNames": ["free"]}
        ]
        body = policy("p", {"expression": "oldObject.data.key != 'value'"}, matchConstraints=constraints)
        await install(api, body)
        for name in ("free", "bound"):
            await api.config_map(name)
        assert (await api.http.delete(f"{MAPS}/free")).status_code == 200
        assert (await api.http.delete(f"{MAPS}/bound")).status_code == 422


@pytest.fixture
def limits() -> Json:
    return policy(
        "p",
        {
            "expression": "int(params.data.most) >= size(object.data)",
            "messageExpression": "'at most ' + params.data.most",
        },
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
    )


async def test_parameters_come_from_an_object_by_name(limits: Json) -> None:
    async with serving() as api:
        await api.make(MAPS, map_of("limit", {"most": "1"}))
        await install(
            api, limits, paramRef={"name": "limit", "namespace": "default", "parameterNotFoundAction": "Deny"}
        )
        await api.make(MAPS, map_of("one", {"a": "b"}))
        assert (await refusal(api, MAPS, map_of("two", {"a": "b", "c": "d"})))[2].endswith("denied request: at most 1")
        assert (await api.patch(f"{MAPS}/limit", {"data": {"most": "2"}})).status_code == 200
        await api.make(MAPS, map_of("two", {"a": "b", "c": "d"}))
        assert (await api.http.delete(f"{MAPS}/limit")).status_code == 200
        why = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
        assert (await refusal(api, MAPS, map_of("x", {"a": "b"})))[2].endswith(why)


async def test_every_selected_parameter_is_held_against_the_object(limits: Json) -> None:
    async with serving() as api:
        for name, most in (("l1", "2"), ("l2", "1")):
            await api.make(MAPS, map_of(name, {"most": most}, labels={"limit": "yes"}))
        ref = {"selector": {"matchLabels": {"limit": "yes"}}, "parameterNotFoundAction": "Allow"}
        await install(api, limits, paramRef=ref)
        assert (await refusal(api, MAPS, map_of("two", {"a": "b", "c": "d"})))[2].endswith("denied request: at most 1")
        await api.make("/api/v1/namespaces", {"metadata": {"name": "other"}})
        await api.make("/api/v1/namespaces/other/configmaps", map_of("two", {"a": "b", "c": "d"}))


async def test_a_policy_for_another_version_is_shown_that_version() -> None:
    async with serving() as api:
        body = policy(
            "p",
            {"expression": "object.apiVersion == 'apps/v1' && object.spec.replicas <= 5"},
            matchConstraints=rules("deployments", group="apps"),
        )
        await install(api, body)
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "m", "image": "x"}]}}
        spec = {"replicas": 6, "selector": {"matchLabels": {"a": "b"}}, "template": template}
        path = "/apis/apps/v1beta2/namespaces/default/deployments"
        assert (await refusal(api, path, {"metadata": {"name": "d"}, "spec": spec}))[0] == 422
        await api.make(path, {"metadata": {"name": "d"}, "spec": {**spec, "replicas": 5}})


async def test_what_is_wrong_with_a_policy_is_told_when_it_is_written() -> None:
    async with serving() as api:
        path = f"{GROUP}/validatingadmissionpolicies"
        code, _, message = await refusal(api, path, policy("p", {"expression": "request.foo == 1"}))
        assert code == 422
        assert 'spec.validations[0].expression: Invalid value: "request.foo == 1": compilation failed' in message
        assert "undefined field 'foo'" in message
        assert "must evaluate to bool" in (await refusal(api, path, policy("p", {"expression": "1"})))[2]
        assert "spec.validations: Required value" in (await refusal(api, path, policy("p")))[2]
        variables = [{"name": "a.b", "expression": "1"}]
        message = (await refusal(api, path, policy("p", {"expression": "true"}, variables=variables)))[2]
        assert 'spec.variables[0].name: Invalid value: "a.b": name is not a valid CEL identifier' in message
        body = {"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny", "Warn"]}}
        answer = await refusal(api, f"{GROUP}/validatingadmissionpolicybindings", body)
        assert "must not contain both Deny and Warn" in answer[2]


async def test_expressions_that_do_not_fit_what_is_matched_are_warned_of_in_the_status() -> None:
    async with serving() as api:
        path = f"{GROUP}/validatingadmissionpolicies"
        variables = [{"name": "count", "expression": "object.spec.replicas"}]
        checks = (
            {"expression": "object.spec.replica > 1"},
            {"expression": "variables.count == 'x'", "messageExpression": "object.metadata.nam"},
            {"expression": "object.spec.template.spec.containers.all(c, c.image.startsWith('x') && has(c.resources))"},
        )
        constraints = rules("deployments", "nothings", group="apps")
        made = await api.make(path, policy("p", *checks, variables=variables, matchConstraints=constraints))
        status = made["status"]
        assert status["observedGeneration"] == 1
        warnings = {each["fieldRef"]: each["warning"] for each in status["typeChecking"]["expressionWarnings"]}
        assert list(warnings) == [
            "spec.validations[0].expression",
            "spec.validations[1].expression",
            "spec.validations[1].messageExpression",
        ]
        wanted = "apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'replica'\n"
        assert warnings["spec.validations[0].expression"].startswith(wanted)
        assert "found no matching overload" in warnings["spec.validations[1].expression"]
        body = policy("p", {"expression": "object.spec.replicas > 1"}, matchConstraints=constraints)
        body["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
        changed = (await api.http.put(f"{path}/p", json=body)).json()
        assert changed["status"] == {"observedGeneration": 2, "typeChecking": {}}


async def test_parameters_need_the_right_to_read_them() -> None:
    async with serving() as api:
        role = {
            "metadata": {"name": "policies"},
            "rules": [{"apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["*"]}],
        }
        await api.make("/apis/rbac.authorization.k8s.io/v1/clusterroles", role)
        subject = {"kind": "User", "name": "jane", "apiGroup": "rbac.authorization.k8s.io"}
        reference = {"kind": "ClusterRole", "name": "policies", "apiGroup": "rbac.authorization.k8s.io"}
        binding = {"metadata": {"name": "jane"}, "subjects": [subject], "roleRef": reference}
        await api.make("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
        jane = api.authority.client("jane", [], SystemEnv().now())
        async with api.client(jane) as http:
            body = policy("p", {"expression": "true"}, paramKind={"apiVersion": "v1", "kind": "Secret"})
            answer = await http.post(f"{GROUP}/validatingadmissionpolicies", json=body)
            assert answer.status_code == 422
            said = 'spec.paramKind: Forbidden: user jane must have "get" permission on all objects of the referenced'
            assert said in answer.json()["message"]
            answer = await http.post(f"{GROUP}/validatingadmissionpolicies", json=policy("p", {"expression": "true"}))
            assert answer.status_code == 201


async def test_conditions_of_a_webhook_spare_it_the_question() -> None:
    async with serving() as api, webhook(allow) as hook:
        body = {
            "name": "h.example.com",
            "clientConfig": hook.config(),
            "rules": rules("configmaps")["resourceRules"],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "matchConditions": [{"name": "mine", "expression": "object.metadata.name.startsWith('mi')"}],
        }
        path = f"{GROUP}/validatingwebhookconfigurations"
        await api.make(path, {"metadata": {"name": "h"}, "webhooks": [body]})
        await api.config_map("other")
        await api.config_map("mine")
        assert [each["request"]["name"] for each in hook.asked] == ["mine"]
        wrong = {**body, "matchConditions": [{"name": "c", "expression": "object.metadata +"}]}
        code, _, message = await refusal(api, path, {"metadata": {"name": "i"}, "webhooks": [wrong]})
        assert code == 422 and "webhooks[0].matchConditions[0].expression: Invalid value" in message
        broken = {**body, "matchConditions": [{"name": "c", "expression": "object.nothing == 1"}]}
        await api.make(path, {"metadata": {"name": "j"}, "webhooks": [broken]})
        wanted = "expression 'object.nothing == 1' resulted in error: no such key: nothing"
        assert await refusal(api, MAPS, map_of("mix")) == (403, "Forbidden", f'configmaps "mix" is forbidden: {wanted}')


async def mutate(api: Api, name: str, *mutations: Json, **spec: Any) -> None:
    constraints = spec.pop("matchConstraints", rules("configmaps"))
    whole = {"matchConstraints": constraints, "mutations": [*mutations], "reinvocationPolicy": "Never", **spec}
    await api.make(f"{GROUP}/mutatingadmissionpolicies", {"metadata": {"name": name}, "spec": whole})
    body = {"metadata": {"name": name}, "spec": {"policyName": name}}
    await api.make(f"{GROUP}/mutatingadmissionpolicybindings", body)


def applying(expression: str) -> Json:
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


def patching(expression: str) -> Json:
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}


async def test_mutations_are_merged_by_the_types_of_the_object() -> None:
    sidecar = """Object{spec: Object.spec{initContainers: [Object.spec.initContainers{
        name: "mesh", image: "mesh:" + variables.version, restartPolicy: "Always"}]}}"""
    label = 'Object{metadata: Object.metadata{labels: {"meshed": "yes"}}}'
    async with serving() as api:
        await api.account()
        variables = [{"name": "version", "expression": "'1.' + string(size(object.spec.containers))"}]
        constraints = rules("pods")
        await mutate(api, "m", applying(sidecar), applying(label), variables=variables, matchConstraints=constraints)
        pod = await api.pod("p", labels={"own": "label"})
        (mesh,) = pod["spec"]["initContainers"]
        assert (mesh["name"], mesh["image"], mesh["imagePullPolicy"]) == ("mesh", "mesh:1.1", "IfNotPresent")
        assert mesh["volumeMounts"] == pod["spec"]["containers"][0]["volumeMounts"]
        assert pod["metadata"]["labels"] == {"own": "label", "meshed": "yes"}


async def test_json_patches_are_made_by_expressions_too() -> None:
    expression = """[JSONPatch{op: "test", path: "/data/key", value: "value"},
        JSONPatch{op: "add", path: "/data/" + jsonpatch.escapeKey("a.b"), value: object.metadata.name}]"""
    async with serving() as api:
        await mutate(api, "m", patching(expression))
        assert (await api.config_map("x"))["data"] == {"key": "value", "a.b": "x"}
        code, reason, message = await refusal(api, MAPS, map_of("y", {"key": "other"}))
        assert (code, reason) == (422, "Invalid")
        assert "MutatingAdmissionPolicy 'm' with binding 'm' denied request: JSON Patch: testing value" in message


async def test_atomic_parts_are_not_mutated_and_nonsense_is_refused_when_written() -> None:
    async with serving() as api:
        await api.account()
        expression = 'Object{spec: Object.spec{containers: [Object.spec.containers{name: "main", args: ["x"]}]}}'
        await mutate(api, "m", applying(expression), matchConstraints=rules("pods"))
        body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "main", "image": "x"}]}}
        why = "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.containers.args"
        assert (await refusal(api, f"{DEFAULT}/pods", body))[2].endswith(why)
        wrong = {"matchConstraints": rules("pods"), "mutations": [applying("Object{spec: Object.metadata{}}")]}
        path = f"{GROUP}/mutatingadmissionpolicies"
        body = {"metadata": {"name": "n"}, "spec": {**wrong, "reinvocationPolicy": "Never"}}
        assert 'unexpected type name "Object.metadata", expected "Object.spec"' in (await refusal(api, path, body))[2]


async def test_a_mutating_policy_that_wants_it_is_applied_again_after_a_webhook() -> None:
    def renamed(review: Json) -> Json:
        return patched(review, {"op": "replace", "path": "/data/key", "value": "new"})

    counting = 'Object{metadata: Object.metadata{annotations: {"saw": object.data.key}}}'
    async with serving() as api, webhook(renamed) as hook:
        body = {
            "name": "h.example.com",
            "clientConfig": hook.config(),
            "rules": rules("configmaps")["resourceRules"],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        await api.make(f"{GROUP}/mutatingwebhookconfigurations", {"metadata": {"name": "h"}, "webhooks": [body]})
        await mutate(api, "a-once", applying(counting.replace("saw", "once")))
        await mutate(api, "z-again", applying(counting.replace("saw", "again")), reinvocationPolicy="IfNeeded")
        made = await api.config_map("x")
        assert made["metadata"]["annotations"] == {"once": "value", "again": "new"}


class Threads(SystemEnv):
    """Counts what is done beside the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.used = 0

    async def in_thread(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        self.used += 1
        return await super().in_thread(function, *args, **kwargs)


async def test_an_expression_that_takes_long_is_evaluated_beside_the_loop() -> None:
    numbers = ", ".join(str(number) for number in range(100))
    slow = f"[{numbers}].all(a, [{numbers}].all(b, a + b + object.data.key.size() >= 0))"
    env = Threads()
    async with serving(env=env) as api:
        await install(api, policy("p", {"expression": "object.data.key.size() > 0"}))
        await api.config_map("first")  # by now it is compiled
        before = env.used
        await api.config_map("quick")
        assert env.used == before
        await install(api, policy("q", {"expression": slow}), binding="c")
        await api.config_map("slow")
        before = env.used
        await api.config_map("slow-again")
        assert env.used == before + 1
