"""How a Service address leads to a Pod: kernel rules or a relay in user space."""
