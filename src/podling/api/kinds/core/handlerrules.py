"""What may be wrong with probes and lifecycle hooks: with the handlers both are made of."""

from __future__ import annotations

from typing import Any, Final

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules

Json = dict[str, Any]

HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_COUNTS: Final = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def handler(path: str, value: Json, grace: int) -> list[Cause]:
    """Exactly one handler, and that one right. `grace` is the Pod's terminationGracePeriodSeconds."""
    given = [name for name in HANDLERS if value.get(name) is not None]
    if not given:
        return [causes.required(path, "must specify a handler type")]
    found = _CHECKS[given[0]](f"{path}.{given[0]}", value[given[0]], grace)
    return found + [
        causes.forbidden(f"{path}.{name}", "may not specify more than 1 handler type") for name in given[1:]
    ]


def _exec(path: str, action: Json, grace: int) -> list[Cause]:
    return [] if action.get("command") else [causes.required(f"{path}.command")]


def _http_get(path: str, action: Json, grace: int) -> list[Cause]:
    found = [] if action.get("path") else [causes.required(f"{path}.path")]
    found += rules.port(f"{path}.port", action.get("port", 0))
    found += rules.one_of(f"{path}.scheme", action.get("scheme", ""), ("HTTP", "HTTPS"))
    for header in action.get("httpHeaders") or ():
        name = header.get("name", "")
        found += rules.all_invalid(f"{path}.httpHeaders", name, names.http_header(name))
    return found


def _port(path: str, action: Json, grace: int) -> list[Cause]:
    return rules.port(f"{path}.port", action.get("port", 0))


def _sleep(path: str, action: Json, grace: int) -> list[Cause]:
    seconds = action.get("seconds", 0)
    if 0 <= seconds <= grace:
        return []
    text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
    return [causes.invalid(path, seconds, text)]


_CHECKS: Final = {"exec": _exec, "httpGet": _http_get, "tcpSocket": _port, "grpc": _port, "sleep": _sleep}


def probe(path: str, name: str, value: Json | None, grace: int) -> list[Cause]:
    """One of livenessProbe, readinessProbe and startupProbe (`name`) below a container's path."""
    if value is None:
        return []
    path = f"{path}.{name}"
    found = handler(path, value, grace)
    for count in _COUNTS:
        found += rules.not_negative(f"{path}.{count}", value.get(count, 0))
    period = value.get("terminationGracePeriodSeconds")
    if name == "readinessProbe":
        if period is not None:
            text = "must not be set for readinessProbes"
            found.append(causes.invalid(f"{path}.terminationGracePeriodSeconds", period, text))
        return found
    if period is not None and period <= 0:
        found.append(causes.invalid(f"{path}.terminationGracePeriodSeconds", period, "must be greater than 0"))
    if value.get("successThreshold", 1) != 1:
        found.append(causes.invalid(f"{path}.successThreshold", value["successThreshold"], "must be 1"))
    return found


def lifecycle(path: str, value: Json | None, grace: int) -> list[Cause]:
    found: list[Cause] = []
    for hook in ("postStart", "preStop"):
        if (value or {}).get(hook) is not None:
            found += handler(f"{path}.{hook}", value[hook], grace)  # type: ignore[index]
    return found
