-- No parameters.
SELECT * FROM admin.tenant_list()
