-- No parameters.
SELECT admin.keyring_settle()
