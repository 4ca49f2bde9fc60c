"""What every request passes before an endpoint sees it; `chain.py` is the list, read top-down."""
