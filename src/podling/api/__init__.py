"""What there is: pure declarations and algorithms over JSON objects. Imports nothing of ours but `env`."""
