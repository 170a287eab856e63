"""Where the public data comes from: one file a data set, each built from a package that anyone can fetch by name."""
