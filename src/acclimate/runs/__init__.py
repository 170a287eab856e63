"""The programs: what happens between a command and the files that it leaves."""
