"""A small operator on kopf: a Greeting becomes a ConfigMap that goes with it, and tells in its status what it did."""

from __future__ import annotations

from typing import Any

import kopf
from kubernetes import client, config


@kopf.on.startup()
def configured(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.persistence.finalizer = "kopf.example/finalizer"
    settings.posting.enabled = True
    config.load_kube_config()


@kopf.on.create("kopf.example", "v1", "greetings")
def made(spec: kopf.Spec, name: str, namespace: str, **_: Any) -> dict[str, str]:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": spec["text"]}}
    kopf.adopt(body)
    created = client.CoreV1Api().create_namespaced_config_map(namespace, body)
    return {"child": created.metadata.name}


@kopf.on.field("kopf.example", "v1", "greetings", field="spec.text")
def changed(old: str | None, new: str, name: str, namespace: str, **_: Any) -> None:
    if old is not None:
        client.CoreV1Api().patch_namespaced_config_map(name, namespace, {"data": {"text": new}})


@kopf.on.delete("kopf.example", "v1", "greetings")
def gone(name: str, namespace: str, **_: Any) -> None:
    body = {"metadata": {"name": f"{name}-was-here"}}
    client.CoreV1Api().create_namespaced_config_map(namespace, body)
