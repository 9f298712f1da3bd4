"""Results of whole runs that come from elsewhere, and go elsewhere."""
