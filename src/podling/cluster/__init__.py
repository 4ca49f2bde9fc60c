"""The one room that imports all others: a cluster on this machine, as a list of steps."""
