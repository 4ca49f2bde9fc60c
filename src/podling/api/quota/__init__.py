"""What objects count against a ResourceQuota: shared by admission, which refuses, and the controller, which counts."""
