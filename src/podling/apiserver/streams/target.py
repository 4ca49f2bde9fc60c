"""Which Pod, container and node a request for a stream means, with upstream's words for what cannot be."""

from __future__ import annotations

from collections.abc import Sequence

from podling.api.errors import BadRequest, MethodNotAllowed, not_found
from podling.api.kinds.core.pod import Pod
from podling.api.objects import key_of
from podling.apiserver.backend import Backend
from podling.apiserver.message import Request
from podling.apiserver.routing import Target


def target_of(request: Request) -> Target:
    """The request's resource, which the filters have found."""
    if request.target is None:
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    return request.target


def pod_of(backend: Backend, target: Target) -> Pod:
    """Raises NotFound."""
    found = backend.cache.get(key_of("", "pods", target.namespace, target.name))
    if found is None:
        raise not_found("pods", target.name)
    pod: Pod = found.view
    return pod


def node_of(pod: Pod) -> str:
    """Raises BadRequest for a Pod that is on no node yet."""
    if not pod.spec.node_name:
        raise BadRequest(f"pod {pod.metadata.name} does not have a host assigned")
    return pod.spec.node_name


def container_of(pod: Pod, asked: str) -> str:
    """The container that is meant: the one named, or the only one. Raises BadRequest."""
    names = _names(pod.spec.containers)
    init = _names(pod.spec.init_containers)
    ephemeral = _names(getattr(pod.spec, "ephemeral_containers", ()))
    if asked:
        if asked not in (*names, *init, *ephemeral):
            raise BadRequest(f"container {asked} is not valid for pod {pod.metadata.name}")
        return asked
    if len(names) == 1 and not init:
        return names[0]
    message = f"a container name must be specified for pod {pod.metadata.name}, choose one of: [{' '.join(names)}]"
    for kind, found in (("init", init), ("ephemeral", ephemeral)):
        if found:
            message += f" or one of the {kind} containers: [{' '.join(found)}]"
    raise BadRequest(message)


def flag(request: Request, name: str) -> bool:
    """A boolean query parameter, as upstream reads it: present and neither `0` nor `false`."""
    values = request.params(name)
    return bool(values) and values[0].lower() not in ("0", "false")


def _names(containers: Sequence[object]) -> list[str]:
    return [str(getattr(container, "name", "")) for container in containers]
