"""What no one may see: from boxes to the masked picture, and the whole picture when anything is in doubt."""
