"""The machine that runs controllers: queue, reconcile, carry out, wait to see its own writes."""
