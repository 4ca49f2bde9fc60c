"""One file per kind: defaults, validation, strategy, columns, the typed view."""
