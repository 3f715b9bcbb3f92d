"""The catalog: find photos, open them safely, keep the manifest of what there is."""
