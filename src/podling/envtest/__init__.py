"""The drop-in for controller-runtime's envtest: `etcd`, `kube-apiserver` and `kubectl` for KUBEBUILDER_ASSETS."""
