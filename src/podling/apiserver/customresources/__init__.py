"""CustomResourceDefinitions at run time: their names are judged, their resources served, their objects cleaned up."""
