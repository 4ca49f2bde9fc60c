"""Who may do what: the question of a request, the rules that answer it, and what every cluster begins with."""
