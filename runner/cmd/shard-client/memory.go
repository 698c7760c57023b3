package main

import "shardclient/runner/memory"

// garbage bounds the memory of a client. An answer of 13.6 MB takes 37 MB, one of 252 MB takes 49,
// and a client that waits 22. Without the limit an answer of 252 MB takes 57
// (docs/decisions/0084-less-to-do-for-an-answer.md). An answer can have 500,000 objects, which are
// more than the limit.
var garbage = memory.Bound{GarbagePercent: 75, Limit: 36 << 20, LeastPercent: 40, Beside: 8 << 20}
