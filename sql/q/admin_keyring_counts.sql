-- No parameters.
SELECT * FROM admin.keyring_counts()
