"""Namespace: everything in it goes, Pods first, and only then it."""

from __future__ import annotations

from podling.client.resources import CONFIGMAPS, NAMESPACES, PODS, SERVICEACCOUNTS
from podling.controllers import namespace, rootca, serviceaccount
from podling.reconcile.action import DeleteAll
from tests.controllers.world import World, pod

GOING = {"deletionTimestamp": "2020-01-01T00:00:00Z"}


def doomed() -> World:
    world = World()
    world.add(NAMESPACES, {"metadata": {"name": "doomed"} | GOING, "spec": {"finalizers": ["kubernetes"]}})
    world.add(CONFIGMAPS, {"metadata": {"name": "x"}}, "doomed")
    world.add(CONFIGMAPS, {"metadata": {"name": "x"}}, "default")
    return world


def test_contents_go_then_the_namespace_and_nothing_else() -> None:
    world = doomed()
    world.run(namespace.CONTROLLER)
    assert [(kind.plural, where) for kind, where, _ in world.objects] == [("configmaps", "default")]


def test_pods_go_before_everything_else() -> None:
    world = doomed()
    world.add(PODS, pod("p"), "doomed")
    world.run(namespace.CONTROLLER)
    order = [action.resource.plural for action in world.done if isinstance(action, DeleteAll)]
    assert order == ["pods", "configmaps"]


def test_what_holds_it_up_is_told_in_the_conditions() -> None:
    world = doomed()
    world.add(PODS, pod("p", deleting=True), "doomed")
    world.run(namespace.CONTROLLER)
    conditions = {each["type"]: each for each in world.get(NAMESPACES, "doomed")["status"]["conditions"]}
    remaining = conditions["NamespaceContentRemaining"]
    assert (remaining["status"], remaining["reason"]) == ("True", "SomeResourcesRemain")
    assert remaining["message"] == (
        "Some resources are remaining: configmaps has 1 resource instances, pods has 1 resource instances"
    )
    assert conditions["NamespaceFinalizersRemaining"]["message"] == (
        "Some content in the namespace has finalizers remaining: test/held in 1 resource instances"
    )
    assert conditions["NamespaceDeletionContentFailure"]["status"] == "False"


def test_a_namespace_with_other_finalizers_keeps_them() -> None:
    world = World()
    spec = {"finalizers": ["kubernetes", "test/mine"]}
    world.add(NAMESPACES, {"metadata": {"name": "doomed"} | GOING, "spec": spec})
    world.run(namespace.CONTROLLER)
    assert world.get(NAMESPACES, "doomed")["spec"]["finalizers"] == ["test/mine"]


def test_a_living_namespace_gets_its_account_and_certificate_and_keeps_them() -> None:
    world = World()
    world.add(NAMESPACES, {"metadata": {"name": "new"}})
    for controller in (serviceaccount.CONTROLLER, rootca.CONTROLLER, namespace.CONTROLLER):
        world.run(controller)
    assert world.get(SERVICEACCOUNTS, "default", "new")
    assert world.get(CONFIGMAPS, "kube-root-ca.crt", "new")["data"] == {"ca.crt": "PEM"}
    world.get(CONFIGMAPS, "kube-root-ca.crt", "new")["data"] = {"ca.crt": "forged"}
    world.run(rootca.CONTROLLER)
    assert world.get(CONFIGMAPS, "kube-root-ca.crt", "new")["data"] == {"ca.crt": "PEM"}


def test_a_namespace_that_goes_gets_no_account() -> None:
    world = World()
    world.add(NAMESPACES, {"metadata": {"name": "doomed"} | GOING, "spec": {"finalizers": ["kubernetes"]}})
    world.run(serviceaccount.CONTROLLER)
    world.run(rootca.CONTROLLER)
    assert world.done == []
