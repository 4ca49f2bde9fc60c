"""What must hold in every moment of every history, whatever fails: one file a topic, one function a rule."""
