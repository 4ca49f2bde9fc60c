"""The list of admission plugins: upstream's names in upstream's order, as the documents tell it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.apiserver.serving import DEFAULT, serving

DOCUMENT = Path(__file__).parents[2] / "docs" / "admission.md"
OURS = {
    "Escalation",
    "CustomDefinitions",
    "CertificateRequesters",
    "PodCertificateRequests",
    "TrustAnchors",
    "TypeChecking",
    "ParamRights",
}


async def test_the_plugins_are_those_of_the_document_in_its_order() -> None:
    told = re.findall(r"^\| ([A-Z]\w+) \| ", DOCUMENT.read_text().partition("## ")[0], re.MULTILINE)
    async with serving() as api:
        names = [name for name in api.server.backend.admission.names if name not in OURS]
    assert names == [name for name in told if name != "Plugin"]


async def test_a_plugin_can_be_left_out_by_upstreams_name() -> None:
    async with serving(disabled_admission=frozenset({"ResourceQuota", "ServiceAccount"})) as api:
        body = {"metadata": {"name": "q"}, "spec": {"hard": {"configmaps": "0"}}}
        await api.make(f"{DEFAULT}/resourcequotas", body)
        await api.config_map("a")
        assert "serviceAccountName" not in (await api.pod("p"))["spec"]
