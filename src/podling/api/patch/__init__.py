"""The patches of the API: functions over JSON values, driven by types where lists have keys.

::

    json_patch(target, operations) -> patched                 # application/json-patch+json
    merge_patch(target, patch) -> patched                     # application/merge-patch+json
    strategic_merge_patch(target, patch, type) -> patched     # application/strategic-merge-patch+json

Server-side apply (application/apply-patch+yaml) knows more than a target: `apply.py` lays a configuration over an
object by who manages what, `managedfields.py` keeps that record through every write, `fieldset.py` has its sets.

Targets are freshly decoded values that belong to the caller and are changed in place; patches can be applied again.
"""

from podling.api.patch.json import json_patch
from podling.api.patch.merge import diff, merge_patch
from podling.api.patch.strategic import strategic_merge_patch

__all__ = ["diff", "json_patch", "merge_patch", "strategic_merge_patch"]
