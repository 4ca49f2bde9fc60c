"""A runtime's error texts in the words that users of Kubernetes know.

crun and runc say the same things differently; documentation, search engines and people's memory know runc's.
"""

from __future__ import annotations


def start_failure(runtime: str, text: str, program: str) -> str:
    """Why a container whose first argument is `program` did not start."""
    if runtime != "crun":
        return text
    return f"crun run failed: unable to start container process: {_cause(text, program)}"


def exec_failure(runtime: str, text: str, program: str) -> str:
    """Why a command did not start in a running container."""
    if runtime != "crun":
        return f"failed to exec in container: OCI runtime exec failed: {text}"
    cause = _cause(text, program)
    return (
        f"failed to exec in container: OCI runtime exec failed: exec failed: unable to start container process: {cause}"
    )


def _cause(text: str, program: str) -> str:
    said = text.lower()
    if "executable file" in said and "not found" in said:
        if program.startswith("/"):
            return f'exec: "{program}": stat {program}: no such file or directory'
        return f'exec: "{program}": executable file not found in $PATH'
    if ("executable" in said or program in text) and "permission denied" in said:
        return f'exec: "{program}": permission denied'
    return text
