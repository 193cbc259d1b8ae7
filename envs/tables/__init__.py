"""Files read as tables of columns, one module for each form of file."""
