"""Where data sets with a name or an address come from."""
