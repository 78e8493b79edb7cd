"""Read pictures from any source; read and write files safely."""
