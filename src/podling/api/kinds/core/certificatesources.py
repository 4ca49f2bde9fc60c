"""What may be wrong with the sources of a projected volume that give a Pod certificates: its own, and whom to trust."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.certificates import asking
from podling.api.kinds.certificates.certificatesigningrequest import signer_name
from podling.api.kinds.certificates.clustertrustbundle import name_rule
from podling.api.kinds.core.volumesources import file_path

Json = dict[str, Any]
KEY_TYPES: Final = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")
_PATHS: Final = ("credentialBundlePath", "keyPath", "certificateChainPath")


def pod_certificate(path: str, source: Json) -> list[Cause]:
    signer, found = source.get("signerName", ""), []
    found += signer_name(f"{path}.signerName", signer)
    found += rules.one_of(f"{path}.keyType", source.get("keyType", ""), KEY_TYPES)
    found += _lifetime(f"{path}.maxExpirationSeconds", source.get("maxExpirationSeconds"), signer)
    given = [name for name in _PATHS if source.get(name)]
    for name in given:
        found += file_path(f"{path}.{name}", source[name])
    if not given:
        text = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
        found.append(causes.required(path, text))
    return found + asking.user_annotations(f"{path}.userAnnotations", source.get("userAnnotations") or {})


def _lifetime(path: str, seconds: int | None, signer: str) -> list[Cause]:
    if seconds is None:
        return []
    longest = asking.LONGEST_KUBERNETES if asking.of_kubernetes(signer) else asking.LONGEST
    if seconds < asking.SHORTEST:
        return [causes.invalid(path, seconds, f"if provided, maxExpirationSeconds must be >= {asking.SHORTEST}")]
    if seconds > longest:
        return [causes.invalid(path, seconds, f"if provided, maxExpirationSeconds must be <= {longest}")]
    return []


def trust_bundle(path: str, source: Json) -> list[Cause]:
    name, signer = source.get("name"), source.get("signerName")
    found: list[Cause] = []
    if name is not None and signer is not None:
        found.append(causes.omitted(path, "only one of name and signerName may be used"))
    elif name is not None:
        if not name:
            found.append(causes.required(f"{path}.name", "must be a valid object name"))
        texts = [f"not a valid clustertrustbundlename: {text}" for text in name_rule(name)]
        found += rules.all_invalid(f"{path}.name", name, texts)
        if source.get("labelSelector") is not None:
            found.append(causes.omitted(f"{path}.labelSelector", "labelSelector must be unset if name is specified"))
    elif signer is not None:
        found += signer_name(f"{path}.signerName", signer)
        found += rules.label_selector(f"{path}.labelSelector", source.get("labelSelector"))
    else:
        found.append(causes.required(path, "either name or signerName must be specified"))
    return found + file_path(f"{path}.path", source.get("path", ""))


def conflicts(path: str, sources: list[Json]) -> list[Cause]:
    """Findings about the volume as a whole: two sources cannot write one file."""
    found: list[Cause] = []
    seen: set[str] = set()
    for source in sources:
        for file, said in _files(source):
            if file and file in seen:
                found.append(causes.invalid(path, said, "conflicting duplicate paths"))
            seen.add(file)
    return found


def _files(source: Json) -> Iterator[tuple[str, str]]:
    """Each file whose name is known, and what a finding about it names."""
    for kind in ("secret", "configMap"):
        named = source.get(kind) or {}
        for item in named.get("items") or ():
            yield item.get("path", ""), named.get("name", "")
    for item in (source.get("downwardAPI") or {}).get("items") or ():
        yield item.get("path", ""), item.get("path", "")
    bundle, certificate = source.get("clusterTrustBundle") or {}, source.get("podCertificate") or {}
    yield bundle.get("path", ""), bundle.get("path", "")
    for name in _PATHS:
        yield certificate.get(name, ""), certificate.get(name, "")
