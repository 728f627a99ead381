"""Tests of the whole project. What several of them need is in modules without the prefix test_."""
