"""Admission webhooks: others are asked before an object is written; and the client by which anything asks them."""
