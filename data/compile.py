"""Compiles the facts of this folder into the table that the package carries: `python data/compile.py [TARGET]`.

The facts stay as they were collected; what is read at run time is one file with short rows, a line per API package,
so that a program that touches three packages parses three lines. A test compiles again and compares.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "src" / "podling" / "api" / "schema" / "table.json"

# Constants that default markers name by their Go identifier.
CONSTANTS = {"AzureDataDiskCachingReadWrite": "ReadWrite", "AzureSharedBlobDisk": "Shared"}
# `k8s:alpha(since: "1.37")=+k8s:required` says when a rule became declarative, not whether it holds.
STAGE = re.compile(r'^k8s:(?:alpha|beta)\(since: ?"[\d.]+"\)=\+')
LIFECYCLE = "k8s:prerelease-lifecycle-gen:"
# Named by other packages, but not among the collected types: number, name; all are strings.
REFERENCES = {
    "GroupResource": ("group", "resource"),
    "GroupVersionKind": ("group", "version", "kind"),
    "GroupVersionResource": ("group", "version", "resource"),
}


def default_of(text: str) -> Any:
    """The value of a `default=` marker: JSON, or `ref(Constant)`."""
    if text.startswith("ref("):
        return CONSTANTS[text[4:-1]]
    return json.loads(text)


def field_row(field: dict[str, Any]) -> list[Any]:
    """[name, type, protobuf number, flags, more]; flags: o omitempty, i inline, q optional, r required, e enum."""
    flags = "o" * field.get("omitempty", False) + "i" * field.get("inline", False)
    more: dict[str, Any] = {key: field[key] for key in ("patchStrategy", "patchMergeKey") if key in field}
    rules: list[str] = []
    for marker in field.get("markers", ()):
        name, _, value = marker.partition("=")
        match name:
            case "optional" | "required":
                flags += "q" if name == "optional" else "r"
            case "enum":
                flags += "e"
            case "listType" | "mapType" | "structType":
                more[name] = value
            case "listMapKey":
                more.setdefault("listMapKeys", []).append(value)
            case "default":
                more["default"] = default_of(value)
            case "featureGate":
                more["gate"] = value
            case _ if name.startswith("k8s:"):
                rules.append(rule_of(marker))
    if rules := sorted({rule for rule in rules if rule}):
        more["rules"] = rules
    row = [field["name"], field["type"], field.get("number", 0), "".join(sorted(set(flags))), more]
    while row and not row[-1]:
        row.pop()
    return row


def rule_of(marker: str) -> str:
    """The rule of a declarative validation marker, without stage, quotes and comment: `maxItems=32`."""
    rule = STAGE.sub("", marker).partition(" #")[0].removeprefix("k8s:")
    return rule.replace('"', "").replace("+k8s:", "")


def type_row(row: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if "fields" in row:
        out["fields"] = [field_row(field) for field in row["fields"]]
    for key in ("alias", "values"):
        if key in row:
            out[key] = row[key]
    for marker in row.get("markers", ()):
        name, _, value = marker.partition("=")
        if name.startswith(LIFECYCLE):
            out.setdefault("life", {})[name.removeprefix(LIFECYCLE)] = value
        elif name == "enum" or rule_of(marker) == "enum":
            out["enum"] = True
        elif name == "structType":
            out["structType"] = value
    return out


def compile_table(here: Path = HERE) -> bytes:
    """The packaged table: {"types": {package: {type: row}}, "resources": {group/version: {resource: row}}}."""
    types = json.loads((here / "kubernetes-types.json").read_text())
    types |= json.loads((here / "kubernetes-removed-types.json").read_text())
    resources = json.loads((here / "kubernetes-resources.json").read_text())
    removed = json.loads((here / "kubernetes-removed-resources.json").read_text())
    for name, parts in REFERENCES.items():
        rows = [{"name": part, "type": "string", "number": at} for at, part in enumerate(parts, 1)]
        types["meta/v1"].setdefault(name, {"fields": rows})
    for group_version, rows in removed.items():
        resources.setdefault(group_version, {}).update(rows)
    lines = ['{"types":{']
    lines.append(
        ",\n".join(
            f"{compact(package)}:{compact({name: type_row(row) for name, row in rows.items() if '/' not in name})}"
            for package, rows in types.items()
        )
    )
    lines.append('},"resources":{')
    lines.append(",\n".join(f"{compact(name)}:{compact(rows)}" for name, rows in resources.items()))
    lines.append("}}")
    return ("\n".join(lines) + "\n").encode()


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.write_bytes(compile_table())
