"""What is wrong with a data set: one check a file, each a function from a sample of records to an outcome."""
