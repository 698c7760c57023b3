package plain_test

import (
	"fmt"

	"shardclient/runner/plain"
)

func ExampleLine() {
	page := "<html>\r\n\t<h1>502 Bad Gateway</h1>\x00\n</html>\n"
	fmt.Println(plain.Line(page, 100))
	fmt.Println(plain.Line(page, 20))
	// Output:
	// <html> <h1>502 Bad Gateway</h1>? </html>
	// <html> <h1>502 Bad G...
}

func ExampleQuote() {
	fmt.Println(plain.Quote("shard1\nexample"))
	// Output: "shard1\nexample"
}
