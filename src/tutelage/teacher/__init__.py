"""Answers for the teacher: live, from a cache, several as one; its answers are paid once."""
