"""One pure file per controller: from an object and what is around it to actions."""
