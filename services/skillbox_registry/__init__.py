"""The Registry: takes skills in, checks them, keeps them and hands them out."""
