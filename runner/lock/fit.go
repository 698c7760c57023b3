package lock

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Fit returns a text of our own (a reason, an error) as the shard's database can hold it. A
// database in UTF8 holds every text, and one in SQL_ASCII takes every byte. In any other encoding,
// PostgreSQL refuses a character that it does not have; so what is not ASCII is escaped as in Go.
// Texts of the master are not for Fit: an object that does not fit is set aside.
func (l *Lock) Fit(text string) string {
	if l.conn == nil { // nothing can be written
		return text
	}
	switch l.conn.PgConn().ParameterStatus("server_encoding") {
	case "UTF8", "SQL_ASCII":
		return text
	}
	return escape(text)
}

// escape returns text in ASCII. A byte that is no UTF-8 becomes \ufffd.
func escape(text string) string {
	var escaped strings.Builder
	for _, r := range text {
		if r < utf8.RuneSelf {
			escaped.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		escaped.WriteString(quoted[1 : len(quoted)-1])
	}
	return escaped.String()
}
