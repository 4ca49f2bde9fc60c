"""What users do, one file a workload: `moves(chance, name, namespace)` draws what happens to one of that name."""
