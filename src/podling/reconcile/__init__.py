"""The words of a control loop, pure: what a controller sees, and what it may ask for."""
