"""Version, health and metrics: what tools ask before anything else."""

from __future__ import annotations

import platform
from typing import Any

import orjson

from podling.apiserver.backend import Backend
from podling.apiserver.config import VERSION
from podling.apiserver.message import Request, Response

TEXT = "text/plain; charset=utf-8"


def version(backend: Backend, request: Request) -> Response:
    """The release whose API this is; the build is Podling's own."""
    major, minor, _ = VERSION.removeprefix("v").split(".")
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    document: dict[str, Any] = {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": minor,
        "gitVersion": VERSION,
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "",
        "goVersion": "",
        "compiler": f"cpython {platform.python_version()} (podling)",
        "platform": f"linux/{machine}",
    }
    return Response(200, orjson.dumps(document, option=orjson.OPT_INDENT_2))


def health(backend: Backend, request: Request) -> Response:
    """/livez, /readyz, /healthz, whole or one check of them; `?verbose` lists the checks."""
    endpoint, _, wanted = request.path.strip("/").partition("/")
    checks = backend.health(endpoint)
    if wanted and wanted not in checks:
        return Response(404, b"404 page not found\n", TEXT)
    excluded = request.params("exclude")
    lines, bad = [], False
    for name, problem in checks.items():
        if wanted and name != wanted:
            continue
        if name in excluded:
            lines.append(f"[+]{name} excluded: ok")
        elif problem:
            bad = True
            lines.append(f"[-]{name} failed: {problem}")
        else:
            lines.append(f"[+]{name} ok")
    if bad:
        return Response(500, "\n".join([*lines, f"{endpoint} check failed\n"]).encode(), TEXT)
    verbose = any(key == "verbose" for key, _ in request.query)
    body = "\n".join([*lines, f"{endpoint} check passed\n"]) if verbose else "ok"
    return Response(200, body.encode(), TEXT)


def metrics(backend: Backend, request: Request) -> Response:
    return Response(200, backend.metrics.text(), "text/plain; version=0.0.4; charset=utf-8")


def openid_configuration(backend: Backend, request: Request) -> Response:
    """Where verifiers of service account tokens find the keys."""
    keys = backend.tokens.keys() if backend.tokens is not None else {"keys": []}
    document = {
        "issuer": backend.config.issuer,
        "jwks_uri": f"{backend.config.issuer}/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [key["alg"] for key in keys["keys"]],
    }
    return Response(200, orjson.dumps(document, option=orjson.OPT_INDENT_2))


def openid_keys(backend: Backend, request: Request) -> Response:
    keys = backend.tokens.keys() if backend.tokens is not None else {"keys": []}
    return Response(200, orjson.dumps(keys), "application/jwk-set+json")
