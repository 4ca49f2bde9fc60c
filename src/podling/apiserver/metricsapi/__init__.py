"""metrics.k8s.io: what nodes and Pods use now, measured when somebody asks."""
