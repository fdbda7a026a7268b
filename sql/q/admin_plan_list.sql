-- No parameters.
SELECT * FROM admin.plan_list()
