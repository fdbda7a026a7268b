# Turns the files of sql/ into C, so that no statement is written there by hand and none is read at run time.
# POSIX awk (mawk); run from the top of the tree:
#     awk -v what=queries.h -f sql/embed.awk sql/q/*.sql >sql_queries.h
#     awk -v what=queries.c -f sql/embed.awk sql/q/*.sql >sql_queries.c
#     awk -v what=version.h -f sql/embed.awk sql/schema/*.sql >sql_version.h
#     awk -v what=schema.c -v program=1.2.3 -f sql/embed.awk \
#         sql/migrate/*.sql sql/schema/*.sql sql/fn/*.sql sql/grants.sql >sql_schema.c
# A query file holds one statement; its comments are left out.  A schema file's text stands as it is, behind lock.sql,
# init.sql and turn.sql of sql/migrate and before note.sql, where :version, :'name', :'sha256' and :'program' are replaced
# as psql would; the functions and grants stand behind lock.sql and finish.sql.  Each such text is sent as one:
# PostgreSQL runs it in one transaction, so that it happens as a whole or not at all.

FNR == 1 { files[++nfiles] = FILENAME }
{ text[FILENAME] = text[FILENAME] $0 "\n" }

function fail(reason) {
	print "embed.awk: " reason >"/dev/stderr"
	failed = 1
	exit 1
}

# sql/q/admin_tenant_list.sql: admin_tenant_list
function stem(path) {
	sub(/^.*\//, "", path)
	sub(/\.sql$/, "", path)
	if (path !~ /^[a-z0-9_-]+$/)
		fail("a file name of other characters than a-z 0-9 _ -: " path)
	return path
}

# The name of the folder that ${path} lies in.
function folder(path) {
	sub(/\/[^\/]*$/, "", path)
	sub(/^.*\//, "", path)
	return path
}

# How long is the quoted thing that ${s} begins with: '…', "…", $tag$…$tag$; 0: none.  E'' is not known here.
function quoted_len(s,    q, n) {
	q = substr(s, 1, 1)
	if (q == "$") {
		if (!match(s, /^\$([A-Za-z_][A-Za-z_0-9]*)?\$/))
			return 0
		q = substr(s, 1, RLENGTH)
	} else if (q != "'" && q != "\"") {
		return 0
	}
	if ((n = index(substr(s, length(q) + 1), q)) == 0)
		fail("a quote without its end: " substr(s, 1, 40))
	return n + 2 * length(q) - 1
}

# ${s} without comments, blank ends and the last semicolon.
function bare(s,    out, n) {
	out = ""
	while (match(s, /--|\/\*|['"$]/)) {
		out = out substr(s, 1, RSTART - 1)
		s = substr(s, RSTART)
		if (substr(s, 1, 2) == "--") {
			s = substr(s, index(s, "\n"))
		} else if (substr(s, 1, 2) == "/*") {
			if ((n = index(s, "*/")) == 0)
				fail("a comment without its end: " substr(s, 1, 40))
			s = substr(s, n + 2)
		} else {
			if ((n = quoted_len(s)) == 0)
				n = 1
			out = out substr(s, 1, n)
			s = substr(s, n + 1)
		}
	}
	s = out s
	gsub(/[ \t]+\n/, "\n", s)
	gsub(/\n\n+/, "\n", s)
	gsub(/^[ \t\n]+|[ \t\n;]+$/, "", s)
	return s
}

# ${s} as a C string literal, one source line for each of its lines.
function literal(s,    lines, n, i, out) {
	n = split(s, lines, "\n")
	if (n > 0 && lines[n] == "")
		n--
	out = ""
	for (i = 1; i <= n; i++) {
		gsub(/[\\"?]/, "\\\\&", lines[i])
		gsub(/\t/, "\\t", lines[i])
		out = out "\n\t    \"" lines[i] (i < n || s ~ /\n$/ ? "\\n" : "") "\""
	}
	return out == "" ? "\"\"" : out
}

# The SHA-256 of the file ${path}, as `sha256sum` prints it.
function digest(path,    cmd, line) {
	cmd = "sha256sum <'" path "'"
	if ((cmd | getline line) <= 0)
		fail("cannot run sha256sum on " path)
	close(cmd)
	return substr(line, 1, 64)
}

# The text of migrate/${part}.sql with psql's variables replaced.
function migrate(part, version, name, sha256,    s, i) {
	for (i = 1; i <= nfiles && !(folder(files[i]) == "migrate" && stem(files[i]) == part); i++)
		continue
	if (i > nfiles)
		fail("migrate/" part ".sql was not given")
	s = bare(text[files[i]]) ";\n"
	gsub(/:version/, version, s)
	gsub(/:'name'/, "'" name "'", s)
	gsub(/:'sha256'/, "'" sha256 "'", s)
	gsub(/:'program'/, "'" program "'", s)
	return s
}

function constant(path,    name) {
	name = toupper(stem(path))
	gsub(/-/, "_", name)
	return "Q_" name
}

function queries_h(    i) {
	print "/* Made by sql/embed.awk from sql/q; change it there. */"
	print "#ifndef SQL_QUERIES_H\n#define SQL_QUERIES_H\n\n#include \"adapters/db.h\"\n"
	for (i = 1; i <= nfiles; i++)
		print "extern const struct db_query " constant(files[i]) ";"
	print "\n#endif"
}

function queries_c(    i) {
	print "/* Made by sql/embed.awk from sql/q; change it there. */"
	print "#include \"sql_queries.h\""
	for (i = 1; i <= nfiles; i++)
		print "\nconst struct db_query " constant(files[i]) " = {\"" stem(files[i]) "\"," \
		    literal(bare(text[files[i]])) "};"
}

# sql/schema/007-name.sql: 7
function version_of(path) {
	if (stem(path) !~ /^[0-9]+-./)
		fail("a schema file must be called NNN-name.sql: " path)
	return stem(path) + 0
}

function schema_c(    i, last, name, sum, finish) {
	if (program !~ /^[0-9A-Za-z.+~-]+$/)
		fail("say -v program=VERSION")
	print "/* Made by sql/embed.awk from sql/schema, sql/fn and sql/grants.sql; change it there. */"
	print "#include \"ctl/migrate.h\"\n\nconst struct migrate_step migrate_steps[] = {"
	last = 0
	finish = ""
	for (i = 1; i <= nfiles; i++) {
		if (folder(files[i]) == "migrate")
			continue
		if (folder(files[i]) != "schema") {
			finish = finish text[files[i]]
			continue
		}
		if (version_of(files[i]) != last + 1)
			fail("schema files must be numbered without gaps: " files[i])
		last = version_of(files[i])
		name = stem(files[i])
		sub(/^[0-9]+-/, "", name)
		sum = digest(files[i])
		print "\t{" last ", \"" name "\", \"" sum "\"," \
		    literal(migrate("lock") migrate("init") migrate("turn", last) text[files[i]] \
		    migrate("note", last, name, sum)) "},"
	}
	print "};\n\nconst size_t migrate_nsteps = sizeof(migrate_steps) / sizeof(migrate_steps[0]);"
	print "\nconst char migrate_finish[] =" literal(migrate("lock") migrate("finish", last) finish) ";"
}

# The highest number of a schema file.
function version_h(    i, last) {
	for (i = 1; i <= nfiles; i++) {
		if (folder(files[i]) == "schema" && version_of(files[i]) > last)
			last = version_of(files[i])
	}
	print "/* Made by sql/embed.awk from sql/schema. */"
	print "#ifndef SQL_VERSION_H\n#define SQL_VERSION_H\n"
	print "#define SQL_SCHEMA_VERSION " last "\n\n#endif"
}

END {
	if (failed)
		exit 1
	if (what == "queries.h")
		queries_h()
	else if (what == "queries.c")
		queries_c()
	else if (what == "version.h")
		version_h()
	else if (what == "schema.c")
		schema_c()
	else
		fail("say -v what=queries.h, queries.c, version.h or schema.c")
}
