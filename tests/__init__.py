"""The tests; this file keeps pytest from taking a test folder for one of our packages."""
