"""iMaterialist fashion."""
