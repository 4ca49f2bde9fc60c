"""The cluster's certificate authority, certificates, service account tokens and kubeconfig."""
