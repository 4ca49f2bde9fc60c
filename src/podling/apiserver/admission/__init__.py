"""What may change or refuse an object before it is stored; `chain.py` is the list, read top-down."""
