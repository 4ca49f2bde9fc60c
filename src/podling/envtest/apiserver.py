"""`kube-apiserver` as envtest starts it: Podling's API server, set up by upstream's flags.

`--help` is answered before anything is imported: a suite asks for it before each start. Where the etcd beside it keeps
its data, the objects lie in a file of SQLite, so that another kube-apiserver on the same etcd finds them again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from podling.envtest.apiserverflags import ABOUT, CONTROLLERS, FLAGS, QUIET
from podling.envtest.flags import FlagError, parse, usage


def main(arguments: Sequence[str] | None = None) -> int:
    """Until SIGTERM; 1 where it cannot start, with the reason on stderr."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        given = parse(words, FLAGS)
        if given.on("help"):
            sys.stdout.write(usage("kube-apiserver", ABOUT, FLAGS))
            return 0
        if given.on("version"):
            print("Kubernetes v1.37.1")
            return 0
        for flag in (each for each in given.without_effect if each not in QUIET):
            print(f"kube-apiserver: {flag} has no effect here", file=sys.stderr)
        from podling.envtest.serving import Unable, serve

        names = [name for name in os.environ.get(CONTROLLERS, "").split(",") if name.strip()]
        try:
            serve(given, names)
        except Unable as error:
            print(f"Error: {error}", file=sys.stderr)
            return 1
    except FlagError as error:
        print(f"Error: {error}\nSee 'kube-apiserver --help'.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
