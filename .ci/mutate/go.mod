// Changes the program in small ways and runs its tests: see main.go. It is a module of its own because
// it is no part of the program.
module shardclient/mutate

go 1.26.0
