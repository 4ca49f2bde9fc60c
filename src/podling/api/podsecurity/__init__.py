"""The Pod Security Standards: what a Pod must not have to be `baseline`, and what it must have to be `restricted`."""
