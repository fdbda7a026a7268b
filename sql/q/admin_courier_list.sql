-- No parameters.
SELECT * FROM admin.courier_list()
