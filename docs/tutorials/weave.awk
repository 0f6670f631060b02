# weave.awk - make a page of a tutorial and what psql -a printed when it ran.
#
#   psql -X -a -q ... -f NAME.sql >NAME.out 2>&1
#   awk -f weave.awk NAME.sql NAME.out >NAME.md
#
# Comments that begin a line are the text, all else of the script is shown as SQL, and what is not of the script
# was printed by the statement before it.  Lines of the script appear in their order, which tells the two apart.

function turn_to(kind) {
	if (kind == within)
		return
	if (within == "sql" || within == "printed")
		print "```"
	if (within != "")
		print ""
	if (kind == "sql")
		print "```sql"
	if (kind == "printed")
		print "```"
	within = kind
	blank = 0
}

# Blank lines count between two others of a kind only.
function show(kind, line) {
	if (line == "") {
		blank = 1
		return
	}
	if (kind != within)
		turn_to(kind)
	else if (blank)
		print ""
	blank = 0
	print line
}

FNR == NR {
	script[++lines] = $0
	next
}

# psql does not echo blank lines.
function pass_blank_lines() {
	while (next_line < lines && script[next_line + 1] == "") {
		next_line++
		blank = 1
	}
}

{
	sub(/^psql:[^ ]*: /, "")
	sub(/ +$/, "")
	pass_blank_lines()
}

next_line < lines && $0 == script[next_line + 1] {
	next_line++
	if (/^--( |$)/) {
		show("text", substr($0, 4))
		blank = $0 == "--"
	} else
		show("sql", $0)
	next
}

{ show("printed", $0) }

END {
	pass_blank_lines()
	turn_to("")
	if (next_line != lines) {
		print "line " next_line + 1 " of the script was not reached" >"/dev/stderr"
		exit 1
	}
}
