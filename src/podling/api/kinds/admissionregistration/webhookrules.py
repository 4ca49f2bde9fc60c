"""What is checked of a configuration of webhooks before it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.admissionregistration import oldversions, ruletext
from podling.api.kinds.kind import Json

REVIEWS = ("v1", "v1beta1")
NO_EFFECTS = ("None", "NoneOnDryRun")
# What v1beta1 allowed besides; such a webhook is not asked about dry runs.
ANY_EFFECTS = ("None", "NoneOnDryRun", "Some", "Unknown")
REINVOCATIONS = ("IfNeeded", "Never")
_FORM = "; desired format: https://host[/path]"


def validate(obj: Json) -> list[Cause]:
    """Raises Overlong where there are conditions to compile."""
    if any(webhook.get("matchConditions") for webhook in obj.get("webhooks") or ()):
        ruletext.beside()
    mutating = obj.get("kind") == "MutatingWebhookConfiguration"
    found: list[Cause] = []
    seen: dict[str, None] = {}
    for index, webhook in enumerate(obj.get("webhooks") or ()):
        path, name = f"webhooks[{index}]", webhook.get("name") or ""
        found += _webhook(path, webhook, ANY_EFFECTS if oldversions.written_then(obj) else NO_EFFECTS)
        if mutating and webhook.get("reinvocationPolicy"):
            found += rules.one_of(f"{path}.reinvocationPolicy", webhook["reinvocationPolicy"], REINVOCATIONS)
        found += _versions(f"{path}.admissionReviewVersions", webhook.get("admissionReviewVersions") or [])
        if name and name in seen:
            found.append(causes.duplicate(f"{path}.name", name))
        seen[name] = None
    return found


def _webhook(path: str, said: Json, allowed: Sequence[str]) -> list[Cause]:
    found = qualified(f"{path}.name", said.get("name") or "")
    for index, each in enumerate(said.get("rules") or ()):
        found += ruletext.rule(f"{path}.rules[{index}]", each)
    if policy := said.get("failurePolicy"):
        found += rules.one_of(f"{path}.failurePolicy", policy, ruletext.FAILURES)
    if policy := said.get("matchPolicy"):
        found += rules.one_of(f"{path}.matchPolicy", policy, ruletext.POLICIES)
    effects = said.get("sideEffects")
    if effects is None:
        found.append(causes.required(f"{path}.sideEffects", f"must specify one of {', '.join(NO_EFFECTS)}"))
    else:
        found += rules.one_of(f"{path}.sideEffects", effects, allowed)
    seconds = said.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        text = "the timeout value must be between 1 and 30 seconds"
        found.append(causes.invalid(f"{path}.timeoutSeconds", seconds, text))
    found += ruletext.selectors(path, said)
    found += client_config(f"{path}.clientConfig", said.get("clientConfig") or {})
    return found + ruletext.match_conditions(f"{path}.matchConditions", said.get("matchConditions") or ())


def qualified(path: str, name: str) -> list[Cause]:
    """A name of at least three parts."""
    if not name:
        return [causes.required(path)]
    if texts := names.dns_subdomain(name):
        return [causes.invalid(path, name, ",".join(texts))]
    if name.count(".") < 2:
        return [causes.invalid(path, name, "should be a domain with at least three segments separated by dots")]
    return []


def client_config(path: str, said: Json) -> list[Cause]:
    """Also of conversion webhooks and whoever else is asked by URL or Service."""
    url, service = said.get("url"), said.get("service")
    if (url is None) == (service is None):
        return [causes.required(path, "exactly one of url or service is required")]
    return webhook_url(f"{path}.url", url) if url is not None else webhook_service(f"{path}.service", service or {})


def webhook_url(path: str, url: str) -> list[Cause]:
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        _ = parts.port
    except ValueError as error:
        return [causes.required(path, f"url must be a valid URL: {error}{_FORM}")]
    found: list[Cause] = []
    if parts.scheme != "https":
        found.append(causes.invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}"))
    if not host:
        found.append(causes.invalid(path, host, f"host must be specified{_FORM}"))
    if "@" in parts.netloc:
        user = parts.netloc.rpartition("@")[0]
        found.append(causes.invalid(path, user, f"user information is not permitted in the URL{_FORM}"))
    if parts.fragment:
        found.append(causes.invalid(path, parts.fragment, f"fragments are not permitted in the URL{_FORM}"))
    if parts.query:
        found.append(causes.invalid(path, parts.query, f"query parameters are not permitted in the URL{_FORM}"))
    return found


def webhook_service(path: str, said: Json) -> list[Cause]:
    found: list[Cause] = []
    if not said.get("name"):
        found.append(causes.required(f"{path}.name", "service name is required"))
    if not said.get("namespace"):
        found.append(causes.required(f"{path}.namespace", "service namespace is required"))
    port = said.get("port", 443)
    if texts := names.port_number(port):
        found.append(causes.invalid(f"{path}.port", port, f"port is not valid: {','.join(texts)}"))
    return found + _path(f"{path}.path", said.get("path") or "")


def _path(path: str, said: str) -> list[Cause]:
    if said in ("", "/"):
        return []
    if said == "//":
        return [causes.invalid(path, said, "segment[0] may not be empty")]
    found: list[Cause] = []
    if not said.startswith("/"):
        found.append(causes.invalid(path, said, "must start with a '/'"))
    for index, step in enumerate(said[1:].removesuffix("/").split("/")):
        if not step:
            found.append(causes.invalid(path, said, f"segment[{index}] may not be empty"))
            continue
        texts = names.dns_subdomain(step)
        found += [causes.invalid(path, said, f"segment[{index}]: {text}") for text in texts]
    return found


def _versions(path: str, said: Sequence[str]) -> list[Cause]:
    accepted = ", ".join(REVIEWS)
    if not said:
        return [causes.required(path, f"must specify one of {accepted}")]
    found: list[Cause] = []
    for index, version in enumerate(said):
        if version in said[:index]:
            found.append(causes.invalid(f"{path}[{index}]", version, "duplicate version"))
        elif texts := names.dns_1035_label(version):
            found.append(causes.invalid(f"{path}[{index}]", version, ",".join(texts)))
    if not any(version in REVIEWS for version in said):
        found.append(causes.invalid(path, list(said), f"must include at least one of {accepted}"))
    return found
