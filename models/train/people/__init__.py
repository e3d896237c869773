"""How the people of tests/people were rendered; never imported by the product, run by hand (see requirements.txt)."""
